"""Formats of files that no library at hand reads."""
