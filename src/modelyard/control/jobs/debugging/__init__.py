"""Rules on the live figures of jobs: what goes wrong in a training is said while it runs."""
