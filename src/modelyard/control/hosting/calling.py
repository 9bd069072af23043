"""Calls of endpoints in the name of whoever asked for them."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class Invocation(NamedTuple):
    """What an endpoint answered; names of headers are in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class EndpointCaller(Protocol):
    """Knows the gateway. Safe from any thread."""

    def call(self, key_id: str, endpoint: str, headers: Mapping[str, str], body: bytes) -> Invocation:
        """Ask an endpoint, signed with an access key.

        Raises:
            TemporaryError: there is no gateway.
        """
