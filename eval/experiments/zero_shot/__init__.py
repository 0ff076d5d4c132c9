"""Players of games that nobody has seen, and whether one objective explains their choices."""
