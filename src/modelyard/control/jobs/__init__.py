"""Training and evaluation jobs: records, rules, logs and metrics, and the workflow that carries each to its end."""
