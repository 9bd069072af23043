"""Modules with `load` and `predict` for models of other tools. They run in the model's environment: see `shim`."""
