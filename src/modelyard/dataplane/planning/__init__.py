"""Queueing: from how long batches take and how many requests come to how long a request takes. Pure functions.

Start reading at `prediction`.
"""
