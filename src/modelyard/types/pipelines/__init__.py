"""Pipelines: steps that build on one another, and their runs."""
