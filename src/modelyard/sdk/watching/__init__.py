"""Statistics of a network's tensors as live figures of a job; PyTorch or NumPy where they are, else nothing."""
