"""Wire formats of inference: pure functions from bytes to tensors and back. They do no input or output."""
