"""The cleaning robot in a small grid, where optimum, gaps and probabilities are exact."""
