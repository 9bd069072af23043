"""Kinds of steps that a job carries, one file a kind. A new one is named in `kinds/catalog.py` as well."""
