"""Games that nobody has seen: who plays them well, and whether one objective explains how."""
