"""Agents of small mazes in larger ones whose exit is near, beside searches without a map."""
