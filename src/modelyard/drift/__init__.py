"""Drift, pure: what a model's data looked like, what it looks like now, and whether the difference matters.

Knows tensors and signatures; knows no storage, no schedule and no endpoint.
"""
