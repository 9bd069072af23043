"""What callers of SageMaker's algorithms on texts and series write and read."""
