"""What keeps agents from a proxy at a dose: more evidence, or a curriculum that replays regret."""
