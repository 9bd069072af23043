"""Experiments: MLflow's tracking server behind our authentication, and a run in it for every job."""
