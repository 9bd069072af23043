"""Migrations of the operations tables."""
