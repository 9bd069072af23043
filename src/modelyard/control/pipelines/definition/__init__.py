"""Definitions: references, types, order, and what is wrong with them. Pure."""
