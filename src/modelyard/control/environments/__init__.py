"""Package environments that jobs and replicas run with."""
