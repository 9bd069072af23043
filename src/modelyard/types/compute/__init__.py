"""What jobs and replicas may use, what they wait for, and what they cost."""
