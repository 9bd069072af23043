"""Endpoints that are made of several models: models by target, and containers in a row."""
