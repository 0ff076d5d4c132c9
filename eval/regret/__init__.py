"""Regret: how much less than the best an agent earns, room by room, and where it is worst."""
