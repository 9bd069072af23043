"""What is tested where the extra that it needs is installed."""

import importlib.util

# Networks are watched where PyTorch, an extra, is installed: `make test-torch`.
collect_ignore = [] if importlib.util.find_spec("torch") else ["test_watching_torch.py"]
