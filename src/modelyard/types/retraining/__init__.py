"""Retraining: the rules of a policy."""
