"""Amounts that were used, and what they cost. Pure."""

from dataclasses import dataclass
from datetime import date

from modelyard.types.compute.costs import Prices

_HOUR = 3600.0
_JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """Amounts."""

    cpu_seconds: float = 0.0
    memory_gib_seconds: float = 0.0
    gpu_seconds: float = 0.0

    def minus(self, other: "Used") -> "Used":
        """What is more than in `other`."""
        return Used(
            cpu_seconds=self.cpu_seconds - other.cpu_seconds,
            memory_gib_seconds=self.memory_gib_seconds - other.memory_gib_seconds,
            gpu_seconds=self.gpu_seconds - other.gpu_seconds,
        )

    def part(self, share: float) -> "Used":
        """A share of it."""
        return Used(
            cpu_seconds=self.cpu_seconds * share,
            memory_gib_seconds=self.memory_gib_seconds * share,
            gpu_seconds=self.gpu_seconds * share,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """For whom a process works. `share`: its part of what the process uses; the shares of a process add up to 1.

    Attributes:
        kind: "job", "endpoint", or "platform" for what serves nobody yet.
        name: id of the job or name of the endpoint.
        version: model version that is served, or model that is trained.
    """

    project: str
    kind: str
    name: str
    version: str = ""
    is_spot: bool = False
    gpus: float = 0
    share: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow:
    """A row of the ledger."""

    project: str
    kind: str
    name: str
    version: str
    day: date
    price_list: int
    is_spot: bool
    used: Used


def cost_of(used: Used, prices: Prices, *, is_spot: bool) -> float:
    """Its price."""
    full = (
        used.cpu_seconds * prices.cpu_hour
        + used.memory_gib_seconds * prices.memory_gib_hour
        + used.gpu_seconds * prices.gpu_hour
    ) / _HOUR
    return full * (prices.spot_factor if is_spot else 1.0)


def energy_of(used: Used, prices: Prices) -> float:
    """Energy in kWh by the stated model: power of computing cores and of held memory, and nothing else."""
    joules = used.cpu_seconds * prices.watts_per_core + used.memory_gib_seconds * prices.watts_per_gib
    return joules / _JOULES_PER_KWH
