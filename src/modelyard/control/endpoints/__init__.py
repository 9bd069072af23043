"""Endpoints: stable addresses, the replicas that answer at them, and changes of version without a failed request."""
