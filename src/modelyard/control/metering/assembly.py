"""Puts the parts of this capability together, for the server and for tests."""

from dataclasses import dataclass

from modelyard.control.metering.engine import MeteredEngine
from modelyard.control.metering.ledger import Ledger, Subjects
from modelyard.control.metering.repository import BudgetRepository, PriceRepository, StorageRepository, UsageRepository
from modelyard.control.metering.service import CostService
from modelyard.control.metering.storage import StorageMeter, Stored
from modelyard.engines.base import Engine
from modelyard.kit.clock import Clock
from modelyard.storage.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Metering:
    """One application's ledger and reports, and the engine through which it must run its processes."""

    ledger: Ledger
    costs: CostService
    engine: MeteredEngine
    storage: StorageMeter

    def look(self) -> None:
        """Write down what every process has used so far."""
        self.ledger.look(self.engine)


def assemble(
    *,
    database: Database,
    engine: Engine,
    clock: Clock,
    subjects: Subjects,
    kinds: tuple[str, ...],
    stored: Stored | None = None,
) -> Metering:
    """What an application that runs processes needs.

    `subjects` tells for whom a process works, `kinds` which of the database's rows are this application's, beside those
    of what it has `stored`.
    """
    usage, prices = UsageRepository(), PriceRepository()
    ledger = Ledger(database, usage, prices, subjects, clock)
    storage = StorageMeter(database, usage, prices, StorageRepository(), stored or {}, clock)
    costs = CostService(database, usage, prices, BudgetRepository(), clock, (*kinds, *storage.kinds))
    return Metering(ledger=ledger, costs=costs, engine=MeteredEngine(engine, ledger.write), storage=storage)


def assemble_storage(*, database: Database, clock: Clock, stored: Stored) -> tuple[CostService, StorageMeter]:
    """What an application that only stores needs."""
    usage, prices = UsageRepository(), PriceRepository()
    storage = StorageMeter(database, usage, prices, StorageRepository(), stored, clock)
    return CostService(database, usage, prices, BudgetRepository(), clock, storage.kinds), storage
