"""Uploads: large content sent in pieces, resumed after any interruption."""
