"""Agents made of learned rewards, and whether adversarial labels change what they do."""
