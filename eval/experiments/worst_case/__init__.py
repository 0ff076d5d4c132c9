"""How much less than the best the demonstration's agents earn, where it is worst."""
