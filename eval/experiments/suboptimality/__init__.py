"""Agents that act as intended because of a deficiency, and what they do without it."""
