"""How models are called, where that is more than tensors."""
