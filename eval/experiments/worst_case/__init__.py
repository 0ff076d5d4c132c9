"""The worst-case regret of the demonstration's agents: reward lost against the best script."""
