"""Whether agents that are shown their reward follow the reward or what is shown."""
