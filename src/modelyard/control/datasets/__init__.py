"""Datasets: named lines of immutable versions, addressed by content."""
