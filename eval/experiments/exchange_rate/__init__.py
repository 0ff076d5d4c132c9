"""How many metres farther agents go for soil than for dirt."""
