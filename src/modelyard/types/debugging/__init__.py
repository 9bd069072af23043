"""What is said of a job while it runs: rules on its figures, and what it uses."""
