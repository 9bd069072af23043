"""Tuning: the search for hyper-parameters."""
