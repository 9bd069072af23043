"""Forecasts: what is asked of them, and how good they are."""
