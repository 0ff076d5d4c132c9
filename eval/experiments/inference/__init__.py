"""Objectives inferred from the choices of the demonstration's agents."""
