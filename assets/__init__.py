"""The facts: scenes, shared parts and textures; no code."""
