"""Inference of the objective that explains an agent's choices, if any does."""
