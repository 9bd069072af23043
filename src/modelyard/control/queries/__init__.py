"""Queries: SQL over captured inferences and their ground truth, and export."""
