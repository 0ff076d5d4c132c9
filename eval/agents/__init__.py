"""Who acts: scripted policies, reflexes, and trained agents."""
