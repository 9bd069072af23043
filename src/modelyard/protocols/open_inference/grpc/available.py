"""Whether the extra `grpc` is installed."""

from importlib.util import find_spec


def is_installed() -> bool:
    """True if grpcio and protobuf are here."""
    return find_spec("grpc") is not None and find_spec("google.protobuf") is not None
