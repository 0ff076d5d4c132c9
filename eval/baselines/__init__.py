"""Computation of references: the returns that can be reached in each scene."""
