"""Candidates of other AutoML libraries, each in an environment of its own."""
