"""Parts of image classification: features, augmentation, the two kinds of network, and their ONNX form."""
