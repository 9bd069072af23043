"""Amounts that were used, and what they cost. Pure."""

from dataclasses import dataclass, fields
from datetime import date
from typing import NamedTuple

from modelyard.types.compute.costs import Prices, Tariff

GIB = float(1 << 30)
_HOUR = 3600.0
_MONTH = 730 * _HOUR
_JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """Amounts. Bytes and predictions are whole numbers that are kept as the others are."""

    cpu_seconds: float = 0.0
    memory_gib_seconds: float = 0.0
    gpu_seconds: float = 0.0
    storage_gib_seconds: float = 0.0
    bytes_in: float = 0.0
    bytes_out: float = 0.0
    predictions: float = 0.0

    def plus(self, other: "Used") -> "Used":
        """Both together."""
        return Used(**{name: getattr(self, name) + getattr(other, name) for name in AMOUNTS})

    def minus(self, other: "Used") -> "Used":
        """What is more than in `other`."""
        return self.plus(other.part(-1.0))

    def part(self, share: float) -> "Used":
        """A share of it."""
        return Used(**{name: getattr(self, name) * share for name in AMOUNTS})


AMOUNTS = tuple(field.name for field in fields(Used))


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """For whom a process works. `share`: its part of what the process uses; the shares of a process add up to 1.

    Attributes:
        kind: "job", "endpoint", "reservation", what is stored ("dataset", "model", "capture", "log", "output"), or
            "platform" for what serves nobody yet.
        name: id of the job or reservation, or name of the endpoint.
        version: model version that is served, or model that is trained.
    """

    project: str
    kind: str
    name: str
    version: str = ""
    tariff: Tariff = Tariff.ON_DEMAND
    gpus: float = 0
    share: float = 1.0


class Holding(NamedTuple):
    """Something that is stored: all datasets of a project, or the captures of one of its endpoints (`name`)."""

    project: str
    kind: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """A row of the ledger."""

    project: str
    kind: str
    name: str
    version: str
    day: date
    price_list: int
    tariff: Tariff
    used: Used


def cost_of(used: Used, prices: Prices, tariff: Tariff = Tariff.ON_DEMAND) -> float:
    """Its price."""
    capacity = (
        used.cpu_seconds * prices.cpu_hour
        + used.memory_gib_seconds * prices.memory_gib_hour
        + used.gpu_seconds * prices.gpu_hour
    ) / _HOUR
    factors = {
        Tariff.ON_DEMAND: 1.0,
        Tariff.SPOT: prices.spot_factor,
        Tariff.RESERVED: prices.reserved_factor,
        Tariff.COVERED: 0.0,
    }
    storage = used.storage_gib_seconds * prices.storage_gib_month / _MONTH
    return capacity * factors[tariff] + storage + (used.bytes_in + used.bytes_out) * prices.traffic_gib / GIB


def energy_of(used: Used, prices: Prices) -> float:
    """Energy in kWh by the stated model: power of computing cores and of held memory, and nothing else."""
    joules = used.cpu_seconds * prices.watts_per_core + used.memory_gib_seconds * prices.watts_per_gib
    return joules / _JOULES_PER_KWH
