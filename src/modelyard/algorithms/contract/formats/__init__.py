"""Data formats of AWS's built-in algorithms."""
