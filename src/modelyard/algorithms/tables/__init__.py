"""Parts of the table algorithms: columns, their encoding in NumPy and ONNX, and the models."""
