"""Runs policies, scores their records, draws."""
