"""What goes back over the wire."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WireAnswer:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes
