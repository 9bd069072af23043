"""Programs that the platform works with, started for tests: databases, object stores, containers."""
