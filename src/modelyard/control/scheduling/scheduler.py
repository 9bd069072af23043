"""A round of scheduling: reads everything, lets the rule decide, writes what it decided, hands out the tickets.

A kill at any line loses nothing: what was admitted stands in the database, and `resume` hands its ticket out again; a
ticket is carried once, however often it is handed out.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from modelyard.control.scheduling.board import Board
from modelyard.control.scheduling.records import Entry
from modelyard.control.scheduling.rule.deciding import decide, forecast
from modelyard.control.scheduling.rule.state import Decisions
from modelyard.kit.clock import Clock
from modelyard.storage.database import Connection, Database
from modelyard.types.compute.scheduling import EntryState

_LEAST_PAUSE_SECONDS = 1.0
_REST = 20.0  # a long queue takes a twentieth of a core at most
_NOTABLE_SECONDS = 5.0  # a forecast that has moved by less is not written again

_Change = tuple[Entry, Entry]


class Scheduler:
    """Lets jobs in. For one thread; `carry` gets the ticket of each job that was let in or given up."""

    def __init__(self, database: Database, board: Board, clock: Clock, carry: Callable[[str], None]) -> None:
        self._database = database
        self._board = board
        self._clock = clock
        self._carry = carry
        self.pause_seconds = _LEAST_PAUSE_SECONDS

    def round(self) -> None:
        """Decide once.

        Raises:
            UnavailableError: a project's quota is unknown, and the registry is away.
        """
        began = self._clock.monotonic()
        with self._database.read() as connection:
            entries = self._board.entries.all(connection)
            if any(entry.state is EntryState.WAITING or entry.is_spot for entry in entries):
                changes = self._decide(connection, entries)
            else:
                changes = []
        for ticket in self._write(changes):
            self._carry(ticket)
        self.pause_seconds = max(_LEAST_PAUSE_SECONDS, _REST * (self._clock.monotonic() - began))

    def _decide(self, connection: Connection, entries: Sequence[Entry]) -> list[_Change]:
        now = self._clock.now()
        state = self._board.state(connection, now, entries, {entry.project for entry in entries})
        decisions, expected = decide(state), forecast(state)
        after = [_after(entry, decisions, expected.get(entry.job), now) for entry in entries]
        return [change for change in zip(entries, after, strict=True) if change[0] != change[1]]

    def _write(self, changes: Sequence[_Change]) -> list[str]:
        """Write what was decided; the tickets of those that somebody must carry now.

        An entry that has changed meanwhile (held, moved, ended) waits for the next round. That is safe without looking
        at the others again: nobody but this lets jobs in, so capacity can only have become more.
        """
        if not changes:
            return []
        with self._database.transaction() as connection:
            present = self._board.entries.of(connection, [before.job for before, _ in changes])
            written = [change for change in changes if present.get(change[0].job) == change[0]]
            for _, after in written:
                self._board.entries.save(connection, after)
        return [after.ticket for before, after in written if after.admission != before.admission]


def _after(entry: Entry, decisions: Decisions, expected: float | None, now: datetime) -> Entry:
    """The entry as the decisions leave it."""
    if entry.job in decisions.preempt:
        return replace(entry, state=EntryState.LEAVING)
    if entry.state is not EntryState.WAITING:
        return entry
    if entry.job in decisions.expired:
        reason = "there was no capacity for it by the time it had to start"
        return replace(entry, state=EntryState.ENDING, admission=entry.admission + 1, reason=reason)
    hosts = next((start.hosts for start in decisions.starts if start.job == entry.job), None)
    if hosts is not None:
        return replace(
            entry,
            state=EntryState.ADMITTED,
            admission=entry.admission + 1,
            admitted_at=now,
            host=hosts[0],
            member_hosts=hosts if entry.is_distributed else (),
            reason="",
            planned_start=None,
            expected_start=None,
        )
    return replace(
        entry,
        reason=decisions.reasons.get(entry.job, "many jobs are before it"),
        planned_start=_moment(entry.planned_start, decisions.planned.get(entry.job)),
        expected_start=_moment(entry.expected_start, expected),
    )


def _moment(before: datetime | None, after: float | None) -> datetime | None:
    """The new moment; the one that is known if the two hardly differ."""
    if after is None:
        return None
    if before is not None and abs(before.timestamp() - after) < _NOTABLE_SECONDS:
        return before
    return datetime.fromtimestamp(after, UTC)
