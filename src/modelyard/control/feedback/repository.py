"""All SQL of ground truth."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from modelyard.control.feedback.tables import feedback
from modelyard.storage.keyset import keyset
from modelyard.types.monitoring import FeedbackSummary, TruthStatus
from modelyard.types.signatures import Scalar

_CHUNK = 400
_ROUND = 20_000
_FRESH = (TruthStatus.FRESH,)
_LOOKED_FOR = (TruthStatus.PENDING, TruthStatus.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Ground truth of one inference: one value per row, None where unknown.

    `conflicts` counts how often another truth came, `duplicates` how often the same.
    """

    project: str
    endpoint: str
    inference_id: str
    truth: list[Scalar | None]
    labels: int
    conflicts: int
    duplicates: int = 0
    status: TruthStatus = TruthStatus.FRESH
    delay_seconds: float | None = None
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
            for row in connection.execute(statement).mappings():
                found[row["inference_id"]] = Truth(**{**row, "status": TruthStatus(row["status"])})
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

    def delete(self, connection: Connection, project: str, endpoint: str, ids: Sequence[str]) -> None:
        """Forget what is known about these inferences."""
        for start in range(0, len(ids), _CHUNK):
            chosen = feedback.c.inference_id.in_(ids[start : start + _CHUNK])
            connection.execute(delete(feedback).where(*_endpoint(project, endpoint), chosen))

    def delete_older(self, connection: Connection, project: str, endpoint: str, moment: datetime) -> None:
        """Forget what came before `moment` and has not changed since."""
        connection.execute(delete(feedback).where(*_endpoint(project, endpoint), feedback.c.updated_at < moment))

    def unmatched(
        self,
        connection: Connection,
        project: str,
        endpoint: str,
        *,
        is_fresh: bool,
        ids: tuple[str, str] | None = None,
        limit: int = _ROUND,
    ) -> Mapping[str, datetime]:
        """Inference id -> when its first truth came, for those whose inference was not found yet.

        Args:
            connection: to read by.
            project: of the endpoint.
            endpoint: its name.
            is_fresh: only what was never looked for; else only what was.
            ids: only ids in this range.
            limit: so many at most, the oldest.
        """
        states = _FRESH if is_fresh else _LOOKED_FOR
        statement = select(feedback.c.inference_id, feedback.c.created_at).where(
            *_endpoint(project, endpoint), feedback.c.status.in_(states)
        )
        if ids is not None:
            statement = statement.where(feedback.c.inference_id >= ids[0], feedback.c.inference_id <= ids[1])
        rows = connection.execute(statement.order_by(feedback.c.created_at).limit(limit))
        return {row.inference_id: row.created_at for row in rows}

    def settle(self, connection: Connection, project: str, endpoint: str, delays: Mapping[str, float | None]) -> None:
        """Note what was looked for: found, with its delay in seconds, or not (None)."""
        if not delays:
            return
        statement = (
            update(feedback)
            .where(*_endpoint(project, endpoint), feedback.c.inference_id == bindparam("id"))
            .values(status=bindparam("new_status"), delay_seconds=bindparam("delay"))
        )
        rows = [
            {"id": name, "delay": delay, "new_status": TruthStatus.PENDING if delay is None else TruthStatus.MATCHED}
            for name, delay in delays.items()
        ]
        connection.execute(statement, rows)

    def give_up(self, connection: Connection, moment: datetime) -> Mapping[tuple[str, str], int]:
        """Truth that came before `moment` and whose inference was never found is UNKNOWN; counts by endpoint."""
        is_due = and_(feedback.c.status == TruthStatus.PENDING, feedback.c.created_at < moment)
        counted = select(feedback.c.project, feedback.c.endpoint, func.count()).where(is_due)
        found = connection.execute(counted.group_by(feedback.c.project, feedback.c.endpoint)).all()
        if found:
            connection.execute(update(feedback).where(is_due).values(status=TruthStatus.UNKNOWN))
        return {(project, endpoint): count for project, endpoint, count in found}

    def unsettled_places(self, connection: Connection) -> Sequence[tuple[str, str]]:
        """(project, endpoint) of all truth whose inference was not found yet."""
        is_open = feedback.c.status != TruthStatus.MATCHED
        rows = connection.execute(select(feedback.c.project, feedback.c.endpoint).where(is_open).distinct())
        return [(project, endpoint) for project, endpoint in rows]

    def count_duplicates(self, connection: Connection, project: str, endpoint: str, counts: Mapping[str, int]) -> None:
        """Add to the number of times that the same truth came."""
        statement = (
            update(feedback)
            .where(*_endpoint(project, endpoint), feedback.c.inference_id == bindparam("id"))
            .values(duplicates=feedback.c.duplicates + bindparam("more"))
        )
        if counts:
            connection.execute(statement, [{"id": name, "more": count} for name, count in counts.items()])

    def summary(self, connection: Connection, project: str, endpoint: str, late_after: float) -> FeedbackSummary:
        """Counts over all truth of an endpoint; late: it came more than so many seconds after the answer."""
        table = feedback.c

        def having(condition: ColumnElement[bool]) -> ColumnElement[int]:
            return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)

        statement = select(
            func.count(),
            func.coalesce(func.sum(table.labels), 0),
            having(table.status == TruthStatus.MATCHED),
            having(table.status.in_([TruthStatus.FRESH, TruthStatus.PENDING])),
            having(table.status == TruthStatus.UNKNOWN),
            having(table.delay_seconds > late_after),
            having(table.conflicts > 0),
            func.coalesce(func.sum(table.duplicates), 0),
            func.avg(table.delay_seconds),
        ).where(*_endpoint(project, endpoint))
        row = connection.execute(statement).one()
        return FeedbackSummary(
            endpoint=endpoint,
            inferences=int(row[0]),
            labels=int(row[1]),
            matched=int(row[2]),
            pending=int(row[3]),
            unknown=int(row[4]),
            late=int(row[5]),
            conflicting=int(row[6]),
            duplicates=int(row[7]),
            # Databases add in orders of their own: beyond a microsecond their means differ.
            mean_delay_seconds=None if row[8] is None else round(float(row[8]), 6),
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
