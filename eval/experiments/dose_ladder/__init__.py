"""The dose ladder: the evidence that training must hold for agents to keep the reward."""
