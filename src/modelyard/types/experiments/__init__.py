"""Experiments, as plain data."""
