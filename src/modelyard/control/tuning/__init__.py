"""Tuning: jobs that look for the best hyper-parameters of other jobs."""
