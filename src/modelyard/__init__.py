"""Machine learning as a service on your own machines."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelyard.sdk.client import AsyncClient, Client

__all__ = ["AsyncClient", "Client", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """The clients, on first use: the gateway and the workers import this package too, and need neither."""
    if name in ("Client", "AsyncClient"):
        from modelyard.sdk import client  # noqa: PLC0415 - that is the point

        return getattr(client, name)
    raise AttributeError(f"module 'modelyard' has no attribute '{name}'")
