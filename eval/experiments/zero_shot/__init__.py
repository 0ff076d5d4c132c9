"""Who plays games that nobody has seen, and whether one objective explains how."""
