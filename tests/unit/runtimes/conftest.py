"""What needs torch runs where it is installed: `make test-torch`."""

import importlib.util

collect_ignore = [] if importlib.util.find_spec("torch") else ["test_torch_programs.py"]
