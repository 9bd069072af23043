"""The control plane: one folder a capability."""
