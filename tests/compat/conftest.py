"""Clients that are too heavy for everybody's environment, or lower the pins of other packages, run where they are.

`make test-kserve` and `make test-mlflow` make such environments.
"""

import importlib.util

CLIENTS = {
    "test_kserve.py": "kserve",
    "test_mlflow.py": "mlflow",
    "test_mlflow_moves.py": "mlflow",
    "test_mlflow_stores.py": "mlflow",
    "test_mlflow_tutorial.py": "mlflow",
}
collect_ignore = [file for file, package in CLIENTS.items() if importlib.util.find_spec(package) is None]
