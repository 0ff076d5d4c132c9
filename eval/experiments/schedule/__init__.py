"""Feedforward agents whose schedule ends when that of LSTMs does."""
