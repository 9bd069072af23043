"""Makes the forms of a model that might be served, proves them against the original, and measures them."""
