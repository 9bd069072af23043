"""All SQL of ground truth."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, update

from modelyard.control.feedback.tables import feedback
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
    created_at: datetime
    updated_at: datetime


class FeedbackRepository:
    """Rows of `feedback` as Truth."""

    def get(self, connection: Connection, project: str, endpoint: str, ids: Sequence[str]) -> Mapping[str, Truth]:
        """What is known about these inferences, by id."""
        found: dict[str, Truth] = {}
        for start in range(0, len(ids), _CHUNK):
            statement = select(feedback).where(
                feedback.c.project == project,
                feedback.c.endpoint == endpoint,
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
                feedback.c.project == truth.project,
                feedback.c.endpoint == truth.endpoint,
                feedback.c.inference_id == truth.inference_id,
            )
            .values(asdict(truth))
        )

    def labels_since(self, connection: Connection, project: str, endpoint: str, since: datetime | None) -> int:
        """How many labels arrived after `since`, whether or not their inferences were captured."""
        statement = select(func.coalesce(func.sum(feedback.c.labels), 0)).where(
            feedback.c.project == project, feedback.c.endpoint == endpoint
        )
        if since is not None:
            statement = statement.where(feedback.c.created_at > since)
        return int(connection.execute(statement).scalar_one())
