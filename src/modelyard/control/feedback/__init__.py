"""Feedback: ground truth that arrives after the answer, and the live quality of versions computed from it."""
