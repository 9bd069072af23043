"""Calls for pipelines."""
