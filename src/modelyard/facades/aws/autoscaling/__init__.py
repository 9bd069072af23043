"""Application Auto Scaling: how many instances the variants of endpoints have."""
