"""The network of a gang: its members, in sandboxes on several machines, reach each other and nothing else."""
