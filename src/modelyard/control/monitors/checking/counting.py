"""Counts the labels of a version once each, in the order in which they came, for tests that are looked at always."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.evaluation.intervals import wilson
from modelyard.control.captures.batches import BatchFilter
from modelyard.control.captures.masked import masked_answers
from modelyard.control.feedback.labelled import LabelledReader
from modelyard.control.feedback.service import FeedbackService
from modelyard.control.monitors.checking.scoring import Scale
from modelyard.drift.quality.sequential import Evidence
from modelyard.kit.clock import Clock
from modelyard.types.models import ModelVersion

_CHUNK = 2_000
_SETTLING = timedelta(seconds=5)

Cursor = tuple[datetime, str]
"""(time, inference id) of the last label that was counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityMemory:
    """What is remembered of one version's labels. Its size does not depend on their number.

    Attributes:
        evidence: None while the first rows still say what is usual.
        first_rows, first_score: those rows and the sum of their scores.
        cursor: see Cursor.
        since: labels that came before were left out; None: none were.
    """

    evidence: Evidence | None = None
    first_rows: int = 0
    first_score: float = 0.0
    cursor: Cursor | None = None
    since: datetime | None = None


class LabelCounter:
    """Goes on counting where a memory ends. Safe from any thread."""

    def __init__(self, labelled: LabelledReader, feedback: FeedbackService, clock: Clock) -> None:
        self._labelled = labelled
        self._feedback = feedback
        self._clock = clock

    def has_news(self, project: str, endpoint: str, cursor: Cursor | None) -> bool:
        """True if labels came that were not counted yet."""
        return bool(self._arrived(project, endpoint, cursor, 1))

    def counted(
        self, project: str, made: ModelVersion, state: QualityMemory, scale: Scale, endpoint: str, minimum_rows: int
    ) -> QualityMemory:
        """With the labels that came since.

        Args:
            project: of the endpoint.
            made: the version whose answers count.
            state: what was counted before.
            scale: scores them.
            endpoint: where they were given.
            minimum_rows: so many first rows say what is usual, if the version does not.
        """
        if state.evidence is None and scale.baseline is not None:
            state = replace(state, evidence=Evidence(baseline=scale.baseline))
        wanted = BatchFilter(project=project, endpoint=endpoint, version=made.ref)
        while arrived := self._arrived(project, endpoint, state.cursor, _CHUNK):
            scores = self._scores(wanted, made, [name for _, name in arrived], scale)
            state = replace(_after(state, scores, minimum_rows), cursor=arrived[-1])
        return state

    def _arrived(self, project: str, endpoint: str, cursor: Cursor | None, limit: int) -> Sequence[Cursor]:
        """Labels behind the cursor; the newest are left for later, since their captures may not be here yet."""
        return self._feedback.arrived(project, endpoint, cursor, self._clock.now() - _SETTLING, limit)

    def _scores(self, wanted: BatchFilter, made: ModelVersion, ids: Sequence[str], scale: Scale) -> NDArray[np.float64]:
        """Of the labelled rows whose answers were not masked, (n,), oldest first."""
        found = self._labelled.read_ids(wanted, ids)
        parts = [scale.scores(rows) for rows in found if not masked_answers(made.manifest.signature, rows.masked)]
        return np.concatenate(parts[::-1]) if parts else np.zeros(0)


def _after(state: QualityMemory, scores: NDArray[np.float64], minimum_rows: int) -> QualityMemory:
    if state.evidence is not None:
        return replace(state, evidence=state.evidence.after(scores))
    first = replace(
        state, first_rows=state.first_rows + len(scores), first_score=state.first_score + float(scores.sum())
    )
    if first.first_rows < minimum_rows:
        return first
    low, _ = wilson(round(first.first_score), first.first_rows)
    return replace(first, evidence=Evidence(baseline=low))


def read_memory(content: str | None) -> QualityMemory:
    """As it was written; an empty one if nothing was."""
    return QualityMemory() if content is None else msgspec.json.decode(content, type=QualityMemory)


def write_memory(memory: QualityMemory) -> str:
    """As text, for a database."""
    return msgspec.json.encode(memory).decode()
