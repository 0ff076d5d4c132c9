"""Agents that fail in a few scenes alone, and whether sampling or search finds these."""
