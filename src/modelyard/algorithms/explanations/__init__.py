"""Shapley values of a model's answer. Pure functions: the model is a function of tensors that the caller gives."""
