"""Environments that need no more than their name: the frameworks in the versions that this installation has.

A framework that is not installed here is left to the package index, in whatever version it gives.
"""

import re
from importlib.metadata import PackageNotFoundError, distribution

_FRAMEWORKS = {
    "sklearn": ("numpy", "scikit-learn", "skops", "pandas"),
    "xgboost": ("numpy", "xgboost-cpu"),
    "lightgbm": ("numpy", "lightgbm"),
    "torch": ("numpy", "torch"),
    "tensorflow": ("numpy", "tensorflow-cpu"),
}


def ready_made() -> dict[str, str]:
    """Name -> requirements."""
    return {name: "".join(f"{_pinned(each)}\n" for each in packages) for name, packages in _FRAMEWORKS.items()}


def _pinned(package: str) -> str:
    """With the version that is installed. A local part ("2.5.1+cpu") names a build that indexes may not have."""
    try:
        version = distribution(package).version
    except PackageNotFoundError:
        return package
    return f"{package}=={re.sub(r'[+].*', '', version)}"
