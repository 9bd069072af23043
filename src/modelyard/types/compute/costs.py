"""Prices, what was used, what it cost, and budgets."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What an hour costs, and what energy is presumed to be.

    Attributes:
        currency: for people; nothing is converted.
        cpu_hour: of one core that computes; a core that waits costs nothing.
        memory_gib_hour: of one GiB that is held.
        gpu_hour: of one GPU that is held.
        spot_factor: spot jobs cost this part of it.
        watts_per_core: power that one computing core draws beyond the idle machine: the energy model's only inputs
            are this and the next one, so its result is an estimate.
        watts_per_gib: power that one GiB of memory draws.
    """

    currency: str = "EUR"
    cpu_hour: float = 0.04
    memory_gib_hour: float = 0.005
    gpu_hour: float = 2.0
    spot_factor: float = 0.4
    watts_per_core: float = 8.0
    watts_per_gib: float = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """Prices from a moment on, until the next list. None is ever changed: what was used stays at its price."""

    number: int
    effective_at: datetime
    created_by: str
    prices: Prices


class CostGroup(StrEnum):
    """By what costs are added up."""

    PROJECT = "project"
    JOB = "job"
    ENDPOINT = "endpoint"
    VERSION = "version"
    DAY = "day"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one thing has used and cost. `energy_kwh` is an estimate."""

    name: str
    cpu_seconds: float
    memory_gib_seconds: float
    gpu_seconds: float
    energy_kwh: float
    cost: float
    currency: str


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
