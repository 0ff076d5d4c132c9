"""Agents as the trainer makes them by default."""
