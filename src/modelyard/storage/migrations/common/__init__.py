"""Migrations of the common tables."""
