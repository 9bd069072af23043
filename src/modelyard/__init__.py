"""Machine learning as a service on your own machines."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelyard.kit.metric_lines import log_metric
    from modelyard.sdk.client import AsyncClient, Client
    from modelyard.sdk.watching.arrays import log_classes, log_tensors
    from modelyard.sdk.watching.networks import watch

__all__ = ["AsyncClient", "Client", "__version__", "log_classes", "log_metric", "log_tensors", "watch"]
__version__ = "0.1.0"

_HOMES = {
    "AsyncClient": "modelyard.sdk.client",
    "Client": "modelyard.sdk.client",
    "log_classes": "modelyard.sdk.watching.arrays",
    "log_metric": "modelyard.kit.metric_lines",
    "log_tensors": "modelyard.sdk.watching.arrays",
    "watch": "modelyard.sdk.watching.networks",
}


def __getattr__(name: str) -> Any:
    """What people use, on first use: the gateway and the workers import this package too, and need none of it.

    All but the clients need the standard library alone, so that they work in a job with an environment of its own.
    """
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'modelyard' has no attribute '{name}'")
