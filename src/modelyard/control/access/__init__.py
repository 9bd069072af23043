"""Tokens: who holds them, what role and project they have, and when they end."""
