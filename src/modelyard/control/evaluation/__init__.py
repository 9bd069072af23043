"""Evaluation: how good an endpoint's answers were, by group; which of two versions is better; who is treated how."""
