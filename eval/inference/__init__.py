"""Which objective explains what an agent chooses, if any does."""
