"""Who acts where: episodes, and branches from exact snapshots."""
