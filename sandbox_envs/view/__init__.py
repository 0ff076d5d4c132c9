"""Frames, windows and videos."""
