"""What waits for a model and what answers it: a queue per variant, batches, replicas, and the figures of both."""
