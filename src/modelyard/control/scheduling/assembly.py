"""Puts the parts of this capability together, for the server and for tests."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from modelyard.control.scheduling.board import Board
from modelyard.control.scheduling.capacity import QuotaBook
from modelyard.control.scheduling.queues import QueueService
from modelyard.control.scheduling.repository import EntryRepository, QueueRepository, ReservationRepository
from modelyard.control.scheduling.scheduler import Scheduler
from modelyard.control.scheduling.service import SchedulingService
from modelyard.kit.clock import Clock
from modelyard.storage.database import Database
from modelyard.types.compute.scheduling import HostCapacity, Quota


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduling:
    """What jobs ask, what administrators set up, and what lets jobs in, on one database."""

    board: Board
    service: SchedulingService
    queues: QueueService
    scheduler: Scheduler


def assemble(
    *,
    database: Database,
    clock: Clock,
    machines: Callable[[], Sequence[HostCapacity]],
    quota: Callable[[str], Quota],
    carry: Callable[[str], None],
    possible: Callable[[], Sequence[HostCapacity]] = tuple,
) -> Scheduling:
    """Args as in the parts.

    `machines` are those of the engine, `quota` asks the registry, `carry` gets the tickets of jobs that were let in.
    """
    board = Board(
        EntryRepository(), QueueRepository(), ReservationRepository(), QuotaBook(quota, clock), machines, possible
    )
    service = SchedulingService(database, board, clock, carry)
    return Scheduling(
        board=board,
        service=service,
        queues=QueueService(database, board, clock, service.awake.set),
        scheduler=Scheduler(database, board, clock, carry),
    )
