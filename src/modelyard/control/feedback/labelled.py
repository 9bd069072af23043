"""Captures joined with ground truth, row by row."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from modelyard.control.captures.batches import BatchFilter, CaptureBatch
from modelyard.control.captures.parquet import Captured, concatenate
from modelyard.control.captures.service import CaptureService
from modelyard.control.feedback.service import FeedbackService
from modelyard.runtimes.base import Tensors
from modelyard.types.signatures import Scalar

_ANSWERS = frozenset({"label", "probabilities", "prediction"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledRows:
    """Rows whose truth is known. All tensors and `labels` have the same length.

    `ids` are the labelled inferences, `captured` counts all rows that were captured, `since` and `until` are the times
    of the first and last labelled inference. Truth with another number of rows than its request is left out. `masked`
    are the columns that were hashed or dropped in all of them.
    """

    version: str
    ids: list[str]
    inputs: Tensors
    outputs: Tensors
    labels: list[Scalar]
    captured: int
    since: datetime
    until: datetime
    masked: frozenset[str] = frozenset()

    @property
    def has_answers(self) -> bool:
        """False where nobody can tell any more what was answered."""
        return not self.masked & _ANSWERS


class LabelledReader:
    """Reads labelled rows out of captures. Safe from any thread."""

    def __init__(self, captures: CaptureService, feedback: FeedbackService) -> None:
        self._captures = captures
        self._feedback = feedback

    def read(self, wanted: BatchFilter, *, with_inputs: bool = True) -> Iterator[LabelledRows]:
        """All labelled rows of the wanted batches, the newest batch first.

        One item per batch, version, masking and form of tensors; its `labels` may be empty.
        """
        for batch in self._captures.newest(wanted, with_inputs=with_inputs):
            truths = self._feedback.truths(wanted.project, wanted.endpoint, [item.id for item in batch])
            yield from _joined(batch, truths)

    def read_new(
        self, project: str, endpoint: str, run: str, *, is_reserved: bool = False, with_inputs: bool = True
    ) -> Iterator[LabelledRows]:
        """Labelled rows that no retraining run but `run` has used, the newest batch first.

        However late its label came, a row is found as long as its capture is kept; batches without new labels are not
        read. `is_reserved`: only the rows that `run` has marked as its own.
        """
        ids = self._feedback.new_ids(project, endpoint, run)
        if not ids:
            return
        wanted = BatchFilter(project=project, endpoint=endpoint, ids=(ids[0], ids[-1]))

        def has_new(batch: CaptureBatch) -> bool:
            place = bisect_left(ids, batch.first_id)
            return place < len(ids) and ids[place] <= batch.last_id

        for batch in self._captures.newest(wanted, with_inputs=with_inputs, keep=has_new):
            captured = [item.id for item in batch]
            truths = self._feedback.new_truths(project, endpoint, captured, run, is_reserved=is_reserved)
            yield from (rows for rows in _joined(batch, truths) if rows.labels)

    def read_ids(self, wanted: BatchFilter, ids: Sequence[str]) -> Iterator[LabelledRows]:
        """Labelled rows of these inferences, the newest batch first; those that were not captured are missing."""
        if not ids:
            return
        ordered = sorted(ids)
        own = set(ids)

        def has_some(batch: CaptureBatch) -> bool:
            place = bisect_left(ordered, batch.first_id)
            return place < len(ordered) and ordered[place] <= batch.last_id

        within = replace(wanted, ids=(ordered[0], ordered[-1]))
        for batch in self._captures.newest(within, keep=has_some):
            chosen = [item for item in batch if item.id in own]
            truths = self._feedback.truths(wanted.project, wanted.endpoint, [item.id for item in chosen])
            yield from (rows for rows in _joined(chosen, truths) if rows.labels)


def _joined(batch: Sequence[Captured], truths: Mapping[str, list[Scalar | None]]) -> Iterator[LabelledRows]:
    kinds: dict[tuple[str, tuple[str, ...]], list[Captured]] = {}
    for item in batch:
        kinds.setdefault((item.version, item.masked), []).append(item)
    for (version, _), items in kinds.items():
        for group, inputs, outputs in concatenate(items):
            yield _labelled(version, group, inputs, outputs, truths)


def _labelled(
    version: str,
    group: list[Captured],
    inputs: Tensors,
    outputs: Tensors,
    truths: Mapping[str, list[Scalar | None]],
) -> LabelledRows:
    values: list[Scalar | None] = []
    labelled: list[Captured] = []
    for item in group:
        known = truths.get(item.id, [])
        values.extend(known if len(known) == item.rows else [None] * item.rows)
        if len(known) == item.rows:
            labelled.append(item)
    places = np.array([place for place, value in enumerate(values) if value is not None], dtype=np.intp)
    times = [item.at for item in labelled or group]
    return LabelledRows(
        version=version,
        ids=[item.id for item in labelled],
        inputs={name: tensor[places] for name, tensor in inputs.items()},
        outputs={name: tensor[places] for name, tensor in outputs.items()},
        labels=[value for value in values if value is not None],
        captured=len(values),
        since=min(times),
        until=max(times),
        masked=frozenset(group[0].masked),
    )
