"""Mitigation of a proxy at a dose: by more evidence, or by a curriculum that replays regret."""
