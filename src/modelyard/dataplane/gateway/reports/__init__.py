"""What a gateway tells of itself: figures for Prometheus, and demand for whoever scales. Several tell as one."""
