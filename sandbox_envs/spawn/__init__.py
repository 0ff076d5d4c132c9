"""The starts of episodes: the grammar of spawn texts, and the placement of bodies."""
