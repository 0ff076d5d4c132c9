"""The cause of leaving soil alone: things of its colour in sight, or things out of reach."""
