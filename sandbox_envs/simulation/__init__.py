"""Stepping: the physics of all simulations of a scene, its measures, and its episodes."""
