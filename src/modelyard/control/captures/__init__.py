"""Captures: what the gateways recorded of the traffic, kept as Parquet in the object store."""
