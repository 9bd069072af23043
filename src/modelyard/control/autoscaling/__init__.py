"""Starts and ends nodes of a cluster as the queue needs them."""
