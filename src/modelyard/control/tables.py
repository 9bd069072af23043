"""Imports every capability's tables, so that the MetaData objects are complete (for migrations and for tests)."""

import importlib
import importlib.util
import pkgutil

from modelyard import control


def load_tables() -> None:
    """Import `control/<capability>/tables.py` wherever there is one, and the common tables of storage."""
    importlib.import_module("modelyard.storage.creations")
    for module in pkgutil.iter_modules(control.__path__, f"{control.__name__}."):
        if module.ispkg and importlib.util.find_spec(f"{module.name}.tables"):
            importlib.import_module(f"{module.name}.tables")
