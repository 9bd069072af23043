"""Takes ground truth, whenever it comes: before or after the capture, twice, or different from what came before."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from modelyard.control.feedback.errors import TruthInvalidError
from modelyard.control.feedback.repository import FeedbackRepository, Truth
from modelyard.control.feedback.schemas import MAXIMUM_ROWS
from modelyard.kit.clock import Clock
from modelyard.storage.database import Database
from modelyard.types.endpoints import Endpoint
from modelyard.types.monitoring import FeedbackReceipt, FeedbackSummary
from modelyard.types.signatures import Scalar

Refuse = Callable[[int, TruthInvalidError], None]


class EndpointReader(Protocol):
    """Knows the endpoints. Implementation: endpoints.service.EndpointService."""

    def get(self, project: str, name: str) -> Endpoint:
        """An endpoint. Raises NotFoundError."""


@dataclass(frozen=True, slots=True)
class NewTruth:
    """One item of feedback: the value of each row, None where unknown."""

    inference_id: str
    truth: list[Scalar | None]


class FeedbackService:
    """Ground truth by inference id. Safe from any thread.

    Args:
        database: of Operations.
        repository: the SQL.
        endpoints: feedback for an endpoint that does not exist is refused.
        clock: for times.
    """

    def __init__(
        self, database: Database, repository: FeedbackRepository, endpoints: EndpointReader, clock: Clock
    ) -> None:
        self._database = database
        self._repository = repository
        self._endpoints = endpoints
        self._clock = clock

    def record(
        self, project: str, endpoint: str, items: Sequence[NewTruth], *, refuse: Refuse | None = None
    ) -> FeedbackReceipt:
        """Store a batch, all of it or nothing; with `refuse` all but those that it is told of (index, reason).

        A value that is known already counts as duplicate. Where another value was known, the newest counts and the
        inference counts as conflicting. Rows that were unknown are filled in.

        Raises:
            NotFoundError: no such endpoint.
            TruthInvalidError: an item has no rows, too many, or another number of rows than before.
        """
        self._endpoints.get(project, endpoint)
        with self._database.transaction() as connection:
            known = dict(self._repository.get(connection, project, endpoint, [*{item.inference_id for item in items}]))
            before = dict(known)
            counts = {"accepted": 0, "duplicate": 0, "conflicting": 0}
            again: Counter[str] = Counter()
            for index, item in enumerate(items):
                try:
                    merged, outcome = self._merge(project, endpoint, known.get(item.inference_id), item, index)
                except TruthInvalidError as error:
                    if refuse is None:
                        raise
                    refuse(index, error)
                    continue
                known[item.inference_id] = merged
                counts[outcome] += 1
                again[item.inference_id] += outcome == "duplicate"
            self._repository.insert(connection, [known[name] for name in known if name not in before])
            for inference_id, truth in known.items():
                if inference_id in before and truth != before[inference_id]:
                    self._repository.replace(connection, truth)
            self._repository.count_duplicates(connection, project, endpoint, +again)
        return FeedbackReceipt(**counts)

    def summary(self, project: str, endpoint: str, late_after: timedelta) -> FeedbackSummary:
        """Counts over all truth of an endpoint; late: it came more than `late_after` after the answer.

        Raises:
            NotFoundError: no such endpoint.
        """
        self._endpoints.get(project, endpoint)
        with self._database.read() as connection:
            return self._repository.summary(connection, project, endpoint, late_after.total_seconds())

    def truths(self, project: str, endpoint: str, ids: Sequence[str]) -> Mapping[str, list[Scalar | None]]:
        """What is known about these inferences: one value per row, None where unknown."""
        if not ids:
            return {}
        with self._database.read() as connection:
            known = self._repository.get(connection, project, endpoint, ids)
        return {inference_id: truth.truth for inference_id, truth in known.items()}

    def new_truths(
        self, project: str, endpoint: str, ids: Sequence[str], run: str, *, is_reserved: bool
    ) -> Mapping[str, list[Scalar | None]]:
        """What is known about these inferences and no run but `run` has used; only what it has marked if so said."""
        allowed = (run,) if is_reserved else (run, None)
        with self._database.read() as connection:
            known = self._repository.get(connection, project, endpoint, ids)
        return {name: truth.truth for name, truth in known.items() if truth.used_by in allowed}

    def new_ids(self, project: str, endpoint: str, run: str) -> Sequence[str]:
        """Ids of the labelled inferences that no run but `run` has used, sorted."""
        with self._database.read() as connection:
            return self._repository.new_ids(connection, project, endpoint, run)

    def arrived(
        self, project: str, endpoint: str, after: tuple[datetime, str] | None, until: datetime, limit: int
    ) -> Sequence[tuple[datetime, str]]:
        """(time, inference id) of labels in the order in which they first came, from the one behind `after` on."""
        with self._database.read() as connection:
            return self._repository.arrived(connection, project, endpoint, after, until, limit)

    def count_new(self, project: str, endpoint: str, since: datetime | None) -> int:
        """Labels that came after `since` (None: ever) and no run has used; some may be of uncaptured inferences."""
        with self._database.read() as connection:
            return self._repository.count_new(connection, project, endpoint, since)

    def mark(self, project: str, endpoint: str, ids: Sequence[str], run: str) -> None:
        """Note that a retraining run learns from the truth about these inferences: no other run will."""
        with self._database.transaction() as connection:
            self._repository.mark(connection, project, endpoint, ids, run)

    def release(self, run: str) -> None:
        """Undo `mark`: the run's version did not take over, so the next run may learn from the same."""
        with self._database.transaction() as connection:
            self._repository.release(connection, run)

    def expire(self, project: str, endpoint: str, age: timedelta) -> None:
        """Delete the truth that came longer ago than this: that of captures which are as old or older."""
        with self._database.transaction() as connection:
            self._repository.delete_older(connection, project, endpoint, self._clock.now() - age)

    def forget(self, project: str, endpoint: str, ids: Sequence[str]) -> None:
        """Delete the truth of these inferences."""
        with self._database.transaction() as connection:
            self._repository.delete(connection, project, endpoint, ids)

    def _merge(self, project: str, endpoint: str, known: Truth | None, item: NewTruth, index: int) -> tuple[Truth, str]:
        """The truth after this item, and how the item counts."""
        now = self._clock.now()
        if not 1 <= len(item.truth) <= MAXIMUM_ROWS:
            raise TruthInvalidError(
                f"The truth of '{item.inference_id}' has {len(item.truth)} rows; 1 to {MAXIMUM_ROWS} are possible",
                hint="Send one value per row of the request, null where it is unknown.",
                field=f"items.{index}.truth",
            )
        if known is None:
            labels = sum(value is not None for value in item.truth)
            fresh = Truth(
                project=project,
                endpoint=endpoint,
                inference_id=item.inference_id,
                truth=item.truth,
                labels=labels,
                conflicts=0,
                created_at=now,
                updated_at=now,
            )
            return fresh, "accepted"
        if len(known.truth) != len(item.truth):
            raise TruthInvalidError(
                f"The truth of '{item.inference_id}' has {len(item.truth)} rows, {len(known.truth)} came before",
                hint="Send one value per row of the request, null where it is unknown.",
                field=f"items.{index}.truth",
            )
        merged = [old if new is None else new for old, new in zip(known.truth, item.truth, strict=True)]
        changed = sum(
            old is not None and not same(old, new)
            for old, new in zip(known.truth, merged, strict=True)
            if new is not None
        )
        if all(same(old, new) for old, new in zip(known.truth, merged, strict=True)):
            return known, "duplicate"
        labels = sum(value is not None for value in merged)
        conflicts = known.conflicts + bool(changed)
        truth = replace(known, truth=merged, labels=labels, conflicts=conflicts, updated_at=now)
        return truth, "conflicting" if changed else "accepted"


def same(one: Scalar | None, other: Scalar | None) -> bool:
    """Equal as labels: 3, 3.0 and "3" are one label, True and 1 are not."""
    return label(one) == label(other)


def label(value: object) -> str | None:
    """The one text of a label, whatever type it came in: 3, 3.0 and "3" -> "3"; True and "True" -> "true"."""
    if value is None:
        return None
    if isinstance(value, bool) or value in ("True", "False"):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
