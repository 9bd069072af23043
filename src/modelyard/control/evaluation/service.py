"""Evaluations of an endpoint's own traffic: by version, variant, day and slice."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.evaluation.bias import too_few
from modelyard.algorithms.evaluation.calibration import calibration_bins, calibration_error, probability_scores
from modelyard.algorithms.evaluation.challenge import CLASSIFICATION
from modelyard.algorithms.evaluation.confusion import coded_confusion
from modelyard.algorithms.evaluation.errors import error_figures
from modelyard.algorithms.evaluation.slices import Slices, slice_rows
from modelyard.control.captures.batches import BatchFilter, check_range
from modelyard.control.evaluation.errors import GroupsTooManyError
from modelyard.control.evaluation.frames import Frame
from modelyard.control.evaluation.reading import EvaluationReader
from modelyard.control.feedback.quality import parse_window
from modelyard.control.feedback.service import EndpointReader
from modelyard.kit.clock import Clock
from modelyard.types.evaluation.reports import EndpointEvaluation, EvaluationGroup, Figure

VARIANT, DAY = "variant", "day"
_MOST_GROUPS = 1000

Mask = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which captures count: `length` back from `until` ("24h"), unless `since` says it; the newest `rows` at most."""

    length: str = "24h"
    since: datetime | None = None
    until: datetime | None = None
    variant: str | None = None
    version: str | None = None
    rows: int = 1_000_000

    def filter(self, project: str, endpoint: str, now: datetime) -> BatchFilter:
        """As captures are asked.

        Raises:
            WindowInvalidError: the length cannot be read.
            TimeRangeInvalidError: it ends before it begins, or a time has no zone.
        """
        length, until = parse_window(self.length), self.until or now
        wanted = BatchFilter(
            project=project,
            endpoint=endpoint,
            since=self.since or until - length,
            until=until,
            variant=self.variant,
            version=self.version,
        )
        check_range(wanted)
        return wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """How to group, and what to measure.

    Attributes:
        by: VARIANT, DAY, both or neither; versions are always told apart.
        slice_column: also by the values of this column.
        bins: quantile bins of a column of numbers.
        costs: truth -> answer -> what it costs.
        minimum_rows: groups with fewer labelled rows get no figures.
    """

    by: tuple[str, ...] = (VARIANT,)
    slice_column: str | None = None
    bins: int = 4
    costs: Mapping[str, Mapping[str, float]] | None = None
    minimum_rows: int = 30


class EvaluationService:
    """Computes evaluations. Safe from any thread."""

    def __init__(self, reader: EvaluationReader, endpoints: EndpointReader, clock: Clock) -> None:
        self._reader = reader
        self._endpoints = endpoints
        self._clock = clock

    def evaluate(self, project: str, endpoint: str, window: Window, question: Question) -> EndpointEvaluation:
        """The figures of every group.

        Raises:
            NotFoundError: no such endpoint, or a version whose column is wanted is gone.
            WindowInvalidError, TimeRangeInvalidError: the window makes no sense.
            ColumnUnknownError: there is no such column.
            GroupsTooManyError: more than 1,000 groups.
        """
        self._endpoints.get(project, endpoint)
        wanted = window.filter(project, endpoint, self._clock.now())
        frame = self._reader.frame(wanted, rows=window.rows, column=question.slice_column)
        slices = None if frame.column is None else slice_rows(frame.column, question.bins)
        return EndpointEvaluation(
            endpoint=endpoint,
            task=frame.task,
            slice_column=question.slice_column,
            minimum_rows=question.minimum_rows,
            rows=len(frame.truth),
            labelled=int(frame.is_labelled.sum()) if len(frame.truth) else 0,
            is_cut=frame.is_cut,
            since=frame.since,
            until=frame.until,
            groups=tuple(_groups(frame, slices, question)),
        )


def _groups(frame: Frame, slices: Slices | None, question: Question) -> Iterator[EvaluationGroup]:
    """In the order of version, variant, day and slice."""
    keys: dict[str, tuple[Sequence[str], NDArray[Any]]] = {"version": (frame.versions, frame.version)}
    if VARIANT in question.by:
        keys["variant"] = frame.variants, frame.variant
    if DAY in question.by:
        days, of_row = np.unique(frame.day, return_inverse=True)
        keys["day"] = days.astype(str).tolist(), of_row
    if slices is not None:
        keys["slice"] = slices.names, slices.of_row
    for places, rows in split_rows([numbers for _, numbers in keys.values()]):
        words = {name: keys[name][0][place] for name, place in zip(keys, places, strict=True)}
        known = rows[frame.is_labelled[rows]]
        group = EvaluationGroup(
            version=words["version"],
            variant=words.get("variant"),
            day=words.get("day"),
            slice=words.get("slice"),
            rows=len(rows),
            labelled=len(known),
        )
        yield _measured(group, frame, known, question)


def split_rows(keys: Sequence[NDArray[Any]]) -> Iterator[tuple[tuple[int, ...], Mask]]:
    """The rows of each combination of numbers that occurs, with these numbers.

    Raises:
        GroupsTooManyError: more than 1,000 do.
    """
    if not len(keys[0]):
        return
    sizes = [int(key.max()) + 1 for key in keys]
    joint = np.ravel_multi_index(tuple(keys), tuple(sizes))
    order = np.argsort(joint, kind="stable")
    found, starts = np.unique(joint[order], return_index=True)
    if len(found) > _MOST_GROUPS:
        raise GroupsTooManyError(
            f"The window falls into {len(found):,} groups, {_MOST_GROUPS:,} are possible",
            hint="Group by less, or make the window shorter.",
            field="by",
        )
    for value, rows in zip(found.tolist(), np.split(order, starts[1:]), strict=True):
        yield tuple(int(part) for part in np.unravel_index(value, tuple(sizes))), rows


def _measured(group: EvaluationGroup, frame: Frame, known: Mask, question: Question) -> EvaluationGroup:
    is_classified = frame.task == CLASSIFICATION
    if len(known) < max(1, question.minimum_rows):
        figure = too_few("accuracy" if is_classified else "rmse", len(known), question.minimum_rows)
        return replace(group, figures=(figure,))
    truth, answer = frame.truth[known], frame.answer[known]
    if not is_classified:
        return replace(group, figures=error_figures(answer, truth))
    table = coded_confusion(frame.classes, truth, answer)
    figures: tuple[Figure, ...] = table.figures(question.costs)
    confidence = frame.confidence[known]
    if np.isnan(confidence).any():  # the version gives no probabilities
        return replace(group, figures=figures, confusion=table.cells())
    bins = calibration_bins(confidence, truth == answer)
    scores = probability_scores(frame.given[known], frame.brier[known])
    return replace(
        group,
        figures=(*figures, *scores, calibration_error(bins)),
        calibration=bins,
        confusion=table.cells(),
    )
