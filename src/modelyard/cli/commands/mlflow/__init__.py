"""Commands about what MLflow's server holds."""
