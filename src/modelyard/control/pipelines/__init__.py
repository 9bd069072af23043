"""Pipelines: steps that build on one another, carried from any point after any crash."""
