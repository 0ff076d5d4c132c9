"""Rewards learned from labels: which steps are labelled, and what is made of them."""
