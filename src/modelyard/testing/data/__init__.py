"""Real data, small enough to stand in a file."""
