"""Commands about jobs that run: rules, profiles."""
