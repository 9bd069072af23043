"""Batch jobs: what may be asked, what their process reads and keeps, and the dataset that comes out."""
