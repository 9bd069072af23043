"""Pipelines as Python or YAML: both make the same document."""
