"""Responses of the demonstration's agents to changes of their room."""
