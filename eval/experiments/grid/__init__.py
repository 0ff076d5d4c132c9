"""The demonstration in the grid, where everything is exact."""
