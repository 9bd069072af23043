"""Jobs that run people's own code."""
