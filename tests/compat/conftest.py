"""Clients that are too heavy for everybody's environment, or lower the pins of other packages, run where they are.

`make test-kserve` and `make test-mlflow` make such environments.
"""

import importlib.util

CLIENTS = {"kserve": "test_kserve.py", "mlflow": "test_mlflow.py"}
collect_ignore = [file for package, file in CLIENTS.items() if importlib.util.find_spec(package) is None]
