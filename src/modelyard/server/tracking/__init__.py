"""MLflow's tracking server as a process of the platform."""
