"""Single-file trainers, and the run folder that they share."""
