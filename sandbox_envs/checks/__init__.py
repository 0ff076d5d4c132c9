"""What can be wrong with a scene, found by reading it, placing it and letting it run."""
