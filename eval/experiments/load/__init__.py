"""Whether agents that observe their load fill the pan, and act on what they observe of it."""
