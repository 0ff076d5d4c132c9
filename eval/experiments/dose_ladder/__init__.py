"""How much evidence training must hold."""
