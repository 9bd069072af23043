"""All SQL of ground truth."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, update

from modelyard.control.feedback.tables import feedback
from modelyard.storage.keyset import keyset
from modelyard.types.signatures import Scalar

_CHUNK = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Ground truth of one inference: one value per row, None where unknown; `conflicts` counts changed values."""

    project: str
    endpoint: str
    inference_id: str
    truth: list[Scalar | None]
    labels: int
    conflicts: int
    used_by: str | None = None
    created_at: datetime
    updated_at: datetime


class FeedbackRepository:
    """Rows of `feedback` as Truth."""

    def get(self, connection: Connection, project: str, endpoint: str, ids: Sequence[str]) -> Mapping[str, Truth]:
        """What is known about these inferences, by id."""
        found: dict[str, Truth] = {}
        for start in range(0, len(ids), _CHUNK):
            statement = select(feedback).where(
                *_endpoint(project, endpoint),
                feedback.c.inference_id.in_(ids[start : start + _CHUNK]),
            )
            found |= {row["inference_id"]: Truth(**row) for row in connection.execute(statement).mappings()}
        return found

    def insert(self, connection: Connection, truths: Sequence[Truth]) -> None:
        """Add truth about inferences of which nothing was known."""
        if truths:
            connection.execute(insert(feedback), [asdict(truth) for truth in truths])

    def replace(self, connection: Connection, truth: Truth) -> None:
        """Put another truth in the place of the one that is there."""
        connection.execute(
            update(feedback)
            .where(
                *_endpoint(truth.project, truth.endpoint),
                feedback.c.inference_id == truth.inference_id,
            )
            .values(asdict(truth))
        )

    def new_ids(self, connection: Connection, project: str, endpoint: str, run: str) -> Sequence[str]:
        """Ids of the inferences that `run` may learn from, sorted."""
        statement = select(feedback.c.inference_id).where(
            *_endpoint(project, endpoint),
            feedback.c.labels > 0,
            or_(feedback.c.used_by.is_(None), feedback.c.used_by == run),
        )
        return sorted(connection.execute(statement).scalars())

    def arrived(
        self,
        connection: Connection,
        project: str,
        endpoint: str,
        after: tuple[datetime, str] | None,
        until: datetime,
        limit: int,
    ) -> Sequence[tuple[datetime, str]]:
        """(time, inference id) of labels in the order in which they first came, from the one behind `after` on."""
        table = feedback.c
        statement = select(table.created_at, table.inference_id).where(
            *_endpoint(project, endpoint), table.created_at <= until
        )
        position = None if after is None else (after[0].isoformat(), after[1])
        statement = keyset(statement, [table.created_at, table.inference_id], position, limit)
        return [(row.created_at, row.inference_id) for row in connection.execute(statement)][:limit]

    def count_new(self, connection: Connection, project: str, endpoint: str, since: datetime | None) -> int:
        """Labels that came after `since` and that no run has learnt from, whether or not captured."""
        statement = select(func.coalesce(func.sum(feedback.c.labels), 0)).where(
            *_endpoint(project, endpoint), feedback.c.used_by.is_(None)
        )
        if since is not None:
            statement = statement.where(feedback.c.updated_at > since)
        return int(connection.execute(statement).scalar_one())

    def mark(self, connection: Connection, project: str, endpoint: str, ids: Sequence[str], run: str) -> None:
        """Note that `run` learns from these inferences."""
        for start in range(0, len(ids), _CHUNK):
            connection.execute(
                update(feedback)
                .where(*_endpoint(project, endpoint), feedback.c.inference_id.in_(ids[start : start + _CHUNK]))
                .values(used_by=run)
            )

    def release(self, connection: Connection, run: str) -> None:
        """Undo `mark`: what the run made was not taken."""
        connection.execute(update(feedback).where(feedback.c.used_by == run).values(used_by=None))


def _endpoint(project: str, endpoint: str) -> tuple[Any, Any]:
    return feedback.c.project == project, feedback.c.endpoint == endpoint
