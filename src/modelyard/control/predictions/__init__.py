"""Inference by reference: a request names its data, and the rows are answered as a stream."""
