"""Machine learning as a service on your own machines."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelyard.kit.metric_lines import log_metric
    from modelyard.sdk.client import AsyncClient, Client

__all__ = ["AsyncClient", "Client", "__version__", "log_metric"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """What people use, on first use: the gateway and the workers import this package too, and need none of it.

    `log_metric` needs the standard library alone, so that it works in a job with an environment of its own.
    """
    if name == "log_metric":
        from modelyard.kit.metric_lines import log_metric  # noqa: PLC0415

        return log_metric
    if name in ("Client", "AsyncClient"):
        from modelyard.sdk import client  # noqa: PLC0415 - that is the point

        return getattr(client, name)
    raise AttributeError(f"module 'modelyard' has no attribute '{name}'")
