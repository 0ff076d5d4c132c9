"""Scene files: from MJCF to a frozen Scene."""
