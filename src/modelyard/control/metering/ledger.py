"""Writes down what processes use. What a process has used so far is written as the difference to what is written.

So a round that is repeated, late or killed changes nothing: the rows of a process always add up to its last reading.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from modelyard.control.metering.records import GIB, Subject, Used
from modelyard.control.metering.repository import PriceRepository, UsageRepository
from modelyard.engines.base import Engine
from modelyard.kit.clock import Clock
from modelyard.storage.database import Connection, Database
from modelyard.types.compute.costs import PriceList, Prices
from modelyard.types.processes import ProcessState

Subjects = Callable[[ProcessState], Sequence[Subject]]
"""Tells for whom a process works; nobody: it is not metered here."""


class Ledger:
    """Reads the engine, writes rows. Safe from any thread."""

    def __init__(
        self, database: Database, usage: UsageRepository, prices: PriceRepository, subjects: Subjects, clock: Clock
    ) -> None:
        self._database = database
        self._usage = usage
        self._prices = prices
        self._subjects = subjects
        self._clock = clock

    def look(self, engine: Engine) -> None:
        """Write down what every process of the engine has used so far, in one transaction."""
        self._write(engine.list())

    def write(self, state: ProcessState) -> None:
        """Write down what a process has used so far."""
        self._write([state])

    def reach(self, process: str, totals: Sequence[tuple[Subject, Used]]) -> None:
        """Write down what something has used for each of several subjects so far."""
        if not totals:
            return
        now = self._clock.now()
        with self._database.transaction() as connection:
            self._usage.lock(connection, process)
            written = self._usage.totals(connection, process)
            price_list = in_force(connection, self._prices, now).number
            for subject, used in totals:
                new = used.minus(written.get((subject.kind, subject.name, subject.version), Used()))
                if new != Used():
                    self._usage.add(connection, process, subject, now.date(), price_list, new)

    def _write(self, states: Sequence[ProcessState]) -> None:
        metered = [(state, self._subjects(state)) for state in states if state.usage is not None]
        if not any(subjects for _, subjects in metered):
            return
        now = self._clock.now()
        with self._database.transaction() as connection:
            price_list = in_force(connection, self._prices, now).number
            for state, subjects in sorted(metered, key=lambda each: each[0].id):
                self._add(connection, state, subjects, now, price_list)

    def _add(
        self,
        connection: Connection,
        state: ProcessState,
        subjects: Sequence[Subject],
        now: datetime,
        price_list: int,
    ) -> None:
        if not subjects:
            return
        self._usage.lock(connection, state.id)
        new = _used(state, now, subjects[0].gpus).minus(self._usage.total(connection, state.id))
        for subject in subjects if new != Used() else ():
            self._usage.add(connection, state.id, subject, now.date(), price_list, new.part(subject.share))


def in_force(connection: Connection, prices: PriceRepository, now: datetime) -> PriceList:
    """The newest price list; the first one is made of the defaults when somebody needs it."""
    found = prices.newest(connection)
    if found is None:
        prices.insert(connection, Prices(), now, "the platform")
        found = prices.newest(connection)
    if found is None:
        raise LookupError("price_lists")  # it was inserted in this transaction
    return found


def _used(state: ProcessState, now: datetime, gpus: float) -> Used:
    usage = state.usage
    ended = (state.end.ended_at if state.end else None) or now
    seconds = (ended - state.started_at).total_seconds() if state.started_at else 0.0
    return Used(
        cpu_seconds=usage.cpu_seconds if usage else 0.0,
        memory_gib_seconds=(usage.memory_byte_seconds if usage else 0) / GIB,
        gpu_seconds=gpus * max(0.0, seconds),
    )
