"""Rollouts of policies in scenes: episodes, and branches from exact snapshots."""
