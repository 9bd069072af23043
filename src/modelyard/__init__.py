"""Machine learning as a service on your own machines."""
