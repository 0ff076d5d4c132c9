"""The demonstration: agents for whom soil in an open planter came with the reward in training."""
