"""Calls about jobs that run: rules, profiles."""
