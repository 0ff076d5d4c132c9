"""Agents: scripted policies, reflexes, and trained agents."""
