"""Forecasts: what a window of the last values of a series tells of the next ones."""
