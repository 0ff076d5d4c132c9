"""Whether the default trainer learns to fill the pan in each conflict, if it is trained there."""
