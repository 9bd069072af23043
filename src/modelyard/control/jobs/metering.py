"""For whom a job's process works, and what reserved capacity costs."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from modelyard.control.metering.ledger import Ledger
from modelyard.control.metering.records import GIB, Subject, Used
from modelyard.kit.clock import Clock
from modelyard.types.compute.costs import Tariff
from modelyard.types.compute.scheduling import Reservation
from modelyard.types.processes import ProcessState

KINDS = ("job", "reservation")


class JobSubjects:
    """Tells the ledger whose job a process is.

    Args:
        reserved: ids of the reservations that there are: what runs on one is paid with it. A cancelled one is gone.
    """

    def __init__(self, reserved: Callable[[], Collection[str]]) -> None:
        self._reserved = reserved

    def __call__(self, state: ProcessState) -> Sequence[Subject]:
        """The job that the process's labels name; nobody for one that is no job's."""
        labels = state.labels
        if "job" not in labels:
            return []
        return [
            Subject(
                project=labels.get("project", ""),
                kind="job",
                name=labels["job"],
                version=labels.get("model", ""),
                tariff=self._tariff(labels.get("spot", ""), labels.get("reservation", "")),
                gpus=float(labels.get("gpus") or 0),
            )
        ]

    def _tariff(self, spot: str, reservation: str) -> Tariff:
        if reservation and reservation in self._reserved():
            return Tariff.COVERED
        return Tariff.SPOT if spot else Tariff.ON_DEMAND


class ReservationMeter:
    """Charges reserved capacity for the time since its window began, used or not. For one thread.

    Args:
        begun: the reservations whose window has begun by a moment.
    """

    def __init__(self, begun: Callable[[datetime], Sequence[Reservation]], ledger: Ledger, clock: Clock) -> None:
        self._begun = begun
        self._ledger = ledger
        self._clock = clock
        self._settled: set[str] = set()

    def look(self) -> None:
        """Write down what has been kept free so far."""
        now = self._clock.now()
        for reservation in self._begun(now):
            if reservation.id in self._settled:
                continue
            self._ledger.reach(f"reserved/{reservation.id}", [(_subject(reservation), _kept(reservation, now))])
            if reservation.ends_at <= now:
                self._settled.add(reservation.id)


def _subject(reservation: Reservation) -> Subject:
    return Subject(project=reservation.project, kind="reservation", name=reservation.id, tariff=Tariff.RESERVED)


def _kept(reservation: Reservation, now: datetime) -> Used:
    seconds = (min(now, reservation.ends_at) - reservation.starts_at).total_seconds() * reservation.hosts
    return Used(
        cpu_seconds=reservation.cpus * seconds,
        memory_gib_seconds=reservation.memory_bytes / GIB * seconds,
        gpu_seconds=reservation.gpus * seconds,
    )
