"""What agents make of learned rewards, and whether adversarial labels change it."""
