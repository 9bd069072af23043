"""Captures joined with ground truth, row by row."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from modelyard.control.captures.batches import BatchFilter
from modelyard.control.captures.parquet import Captured, concatenate
from modelyard.control.captures.service import CaptureService
from modelyard.control.feedback.service import FeedbackService
from modelyard.runtimes.base import Tensors
from modelyard.types.signatures import Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledRows:
    """Rows whose truth is known. All tensors and `labels` have the same length.

    `captured` counts the rows that were captured, labelled or not; `until` is the time of the newest labelled one.
    Truth with another number of rows than its request is left out.
    """

    version: str
    inputs: Tensors
    outputs: Tensors
    labels: list[Scalar]
    captured: int
    since: datetime
    until: datetime


class LabelledReader:
    """Reads labelled rows out of captures. Safe from any thread."""

    def __init__(self, captures: CaptureService, feedback: FeedbackService) -> None:
        self._captures = captures
        self._feedback = feedback

    def read(self, wanted: BatchFilter, *, rows: int | None = None, with_inputs: bool = True) -> Iterator[LabelledRows]:
        """Labelled rows, the newest batch first, from the newest `rows` captured rows (None: all).

        One item per batch, version and form of tensors; its `labels` may be empty.
        """
        for batch in self._captures.newest(wanted, rows=rows, with_inputs=with_inputs):
            truths = self._feedback.truths(wanted.project, wanted.endpoint, [item.id for item in batch])
            by_version: dict[str, list[Captured]] = {}
            for item in batch:
                by_version.setdefault(item.version, []).append(item)
            for version, items in by_version.items():
                for group, inputs, outputs in concatenate(items):
                    yield _labelled(version, group, inputs, outputs, truths)


def _labelled(
    version: str, group: list[Captured], inputs: Tensors, outputs: Tensors, truths: Mapping[str, list[Scalar | None]]
) -> LabelledRows:
    values: list[Scalar | None] = []
    for item in group:
        known = truths.get(item.id, [])
        values.extend(known if len(known) == item.rows else [None] * item.rows)
    places = np.array([place for place, value in enumerate(values) if value is not None], dtype=np.intp)
    times = [item.at for item in group if item.id in truths] or [item.at for item in group]
    return LabelledRows(
        version=version,
        inputs={name: tensor[places] for name, tensor in inputs.items()},
        outputs={name: tensor[places] for name, tensor in outputs.items()},
        labels=[value for value in values if value is not None],
        captured=len(values),
        since=min(times),
        until=max(times),
    )
