"""Lets the modules of this folder import each other, also for scripts/make_compilation_table.py."""

import importlib.util
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

# What the extras add is tested where they are installed: `make test-torch`, `make test-catboost`.
_EXTRAS = {"test_torch.py": "torch", "test_catboost.py": "catboost", "test_catboost_categories.py": "catboost"}
collect_ignore = [file for file, package in _EXTRAS.items() if importlib.util.find_spec(package) is None]
