"""Verdicts as tables and pages."""
