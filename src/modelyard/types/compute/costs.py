"""Prices, what was used, what it cost, and budgets."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What an hour (or a GiB) costs, and what energy is presumed to be.

    Attributes:
        currency: for people; nothing is converted.
        cpu_hour: of one core that computes; a core that waits costs nothing.
        memory_gib_hour: of one GiB that is held.
        gpu_hour: of one GPU that is held.
        spot_factor: spot jobs cost this part of it.
        reserved_factor: reserved capacity costs this part of it, used or not; jobs that run on it cost nothing more.
        storage_gib_month: of one GiB that is stored for a month of 730 hours.
        traffic_gib: of one GiB of requests and answers at the gateway.
        watts_per_core: power that one computing core draws beyond the idle machine: the energy model's only inputs
            are this and the next one, so its result is an estimate.
        watts_per_gib: power that one GiB of memory draws.
    """

    currency: str = "EUR"
    cpu_hour: float = 0.04
    memory_gib_hour: float = 0.005
    gpu_hour: float = 2.0
    spot_factor: float = 0.4
    reserved_factor: float = 0.6
    storage_gib_month: float = 0.02
    traffic_gib: float = 0.01
    watts_per_core: float = 8.0
    watts_per_gib: float = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """Prices from a moment on, until the next list. None is ever changed: what was used stays at its price."""

    number: int
    effective_at: datetime
    created_by: str
    prices: Prices


class Tariff(StrEnum):
    """At which part of the price something was used.

    RESERVED: capacity that was kept free, used or not. COVERED: what ran on it, which costs nothing of its own.
    """

    ON_DEMAND = "on-demand"
    SPOT = "spot"
    RESERVED = "reserved"
    COVERED = "covered"


class CostGroup(StrEnum):
    """By what costs are added up. KIND: jobs, endpoints, reservations, datasets, models, captures, logs."""

    PROJECT = "project"
    KIND = "kind"
    JOB = "job"
    ENDPOINT = "endpoint"
    VERSION = "version"
    DAY = "day"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one thing has used and cost. `energy_kwh` is an estimate.

    Attributes:
        cpu_seconds, memory_gib_seconds, gpu_seconds: as measured of processes; reserved capacity is not in it.
        storage_gib_hours: of datasets, models, captures and logs.
        bytes_in, bytes_out: bodies of answered requests and of their answers at the gateway.
        predictions: rows that were answered.
        cost_per_thousand: predictions, with everything that the thing has cost; None: there were none.
    """

    name: str
    cpu_seconds: float
    memory_gib_seconds: float
    gpu_seconds: float
    storage_gib_hours: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    predictions: int = 0
    energy_kwh: float
    cost: float
    cost_per_thousand: float | None = None
    currency: str

    def plus(self, other: "Cost") -> "Cost":
        """Both together, as of one thing."""
        summed = {name: getattr(self, name) + getattr(other, name) for name in _ADDED}
        cost, predictions = self.cost + other.cost, self.predictions + other.predictions
        return replace(self, **summed, cost_per_thousand=1000 * cost / predictions if predictions else None)


_ADDED = (
    "cpu_seconds",
    "memory_gib_seconds",
    "gpu_seconds",
    "storage_gib_hours",
    "bytes_in",
    "bytes_out",
    "predictions",
    "energy_kwh",
    "cost",
)


class BudgetState(StrEnum):
    """OK; ALERT: a share that was to be told of is spent; EXHAUSTED: all of it is."""

    OK = "OK"
    ALERT = "ALERT"
    EXHAUSTED = "EXHAUSTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a project may spend in a calendar month (UTC).

    Attributes:
        amount: in the currency of the prices.
        alert_share: part of it from which on its state is ALERT.
        stops: once it is spent, the project's jobs are stopped and new ones refused. Endpoints go on.
        spent: in this month so far.
        alerted_at: when the state last left OK in this month.
    """

    project: str
    amount: float
    alert_share: float
    stops: bool
    state: BudgetState
    spent: float
    month: date
    alerted_at: datetime | None
