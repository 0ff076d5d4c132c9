"""Planted agents, whose goal is known, and what the verdicts make of them."""
