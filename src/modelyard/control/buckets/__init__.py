"""Buckets of the S3 store: which project has which, and their objects as jobs and facades need them."""
