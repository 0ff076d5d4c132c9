"""Experiments that were declared before they were run; their records are in eval/results."""
