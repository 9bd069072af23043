"""What a gateway has answered, for whoever meters it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionTraffic:
    """What one model version has answered at one endpoint.

    Attributes:
        predictions: rows that were answered.
        bytes_in, bytes_out: bodies of the answered requests and of their answers, as they were sent.
    """

    project: str
    endpoint: str
    model: str
    number: int
    predictions: int
    bytes_in: int
    bytes_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficTable:
    """All that one life of a gateway has answered so far."""

    versions: tuple[VersionTraffic, ...] = ()
