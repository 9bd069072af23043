"""Migrations of the registry tables."""
