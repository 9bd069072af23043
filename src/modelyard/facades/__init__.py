"""What other systems' parts ask of the platform, in their own words. Thin: parse, call, shape."""
