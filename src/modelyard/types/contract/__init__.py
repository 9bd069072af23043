"""Training jobs of the container contract."""
