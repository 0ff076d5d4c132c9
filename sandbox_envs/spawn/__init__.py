"""Where an episode starts: the grammar of spawn texts, and the placement of bodies."""
