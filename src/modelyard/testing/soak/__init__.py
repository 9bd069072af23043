"""The soak test: a gateway and workers under load and disturbance for minutes, and what must be true all the same."""
