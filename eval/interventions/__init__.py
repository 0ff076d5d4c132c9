"""Interventions: an agent's behaviour after a change in its room, from the same state on."""
