"""Checks that find faults in a scene by reading it, placing it and letting it run."""
