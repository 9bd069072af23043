"""What needs torch or TensorFlow runs where it is installed: `make test-torch`, `make test-tensorflow`."""

import importlib.util

collect_ignore = [f"test_{name}_programs.py" for name in ("torch", "tensorflow") if not importlib.util.find_spec(name)]
