"""Capability against alignment, in the grid where everything is exact."""
