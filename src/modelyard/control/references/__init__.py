"""Data that a request names: a dataset version, an object, or a file at an allowed address."""
