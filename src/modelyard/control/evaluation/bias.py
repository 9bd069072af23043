"""Bias reports: what groups of rows get from a version, and whether they deserved it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.evaluation.bias import Outcomes, compare_groups, findings
from modelyard.algorithms.evaluation.challenge import CLASSIFICATION
from modelyard.algorithms.evaluation.slices import slice_rows
from modelyard.control.evaluation.errors import FavourableUnknownError, NothingCapturedError
from modelyard.control.evaluation.frames import UNKNOWN, Frame
from modelyard.control.evaluation.reading import EvaluationReader
from modelyard.control.evaluation.service import Window
from modelyard.control.feedback.service import EndpointReader, label
from modelyard.kit.clock import Clock
from modelyard.types.evaluation.reports import BiasReport
from modelyard.types.signatures import Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class BiasQuestion:
    """Whom to compare.

    Attributes:
        column: whose values are the groups.
        favourable: the answer that counts as being selected.
        reference: the group that others are compared with; None: the largest.
        bins: quantile bins of a column of numbers.
        minimum_rows: smaller groups are flagged and get no figures.
    """

    column: str
    favourable: Scalar
    reference: str | None = None
    bins: int = 4
    minimum_rows: int = 30


class BiasService:
    """Makes bias reports. Safe from any thread."""

    def __init__(self, reader: EvaluationReader, endpoints: EndpointReader, clock: Clock) -> None:
        self._reader = reader
        self._endpoints = endpoints
        self._clock = clock

    def report(self, project: str, endpoint: str, window: Window, question: BiasQuestion) -> BiasReport:
        """The report of one version: the one that the window names, else the one with the most rows in it.

        Raises:
            NotFoundError: no such endpoint.
            WindowInvalidError, TimeRangeInvalidError: the window makes no sense.
            NothingCapturedError: no classifier answered in the window.
            ColumnUnknownError: there is no such column.
            FavourableUnknownError: no answer and no truth is the favourable one.
        """
        self._endpoints.get(project, endpoint)
        wanted = window.filter(project, endpoint, self._clock.now())
        favourable = str(label(question.favourable))
        frame = self._reader.frame(wanted, rows=window.rows, column=question.column, favourable=favourable)
        if frame.task != CLASSIFICATION or frame.column is None:
            raise NothingCapturedError(
                f"No classifier of endpoint '{endpoint}' has answered a captured request in this window",
                hint="Take a longer window; bias reports are for models that answer labels.",
            )
        if favourable not in frame.classes:
            raise FavourableUnknownError(
                f"No row was answered '{favourable[:80]}'",
                hint=f"The answers and truths are: {', '.join(sorted(frame.classes)[:20])}.",
                field="favourable",
            )
        main = int(np.bincount(frame.version).argmax())
        rows = frame.version == main
        groups = compare_groups(
            _outcomes(frame, rows, frame.classes.index(favourable)),
            slice_rows(frame.column[rows], question.bins),
            minimum_rows=question.minimum_rows,
            reference=question.reference,
        )
        return BiasReport(
            endpoint=endpoint,
            version=frame.versions[main],
            column=question.column,
            favourable=favourable,
            minimum_rows=question.minimum_rows,
            groups=groups,
            findings=findings(groups),
        )


def _outcomes(frame: Frame, rows: NDArray[np.bool_], favourable: int) -> Outcomes:
    truth = frame.truth[rows]
    score: NDArray[Any] = frame.score[rows]
    return Outcomes(
        is_selected=frame.answer[rows] == favourable,
        is_known=truth != UNKNOWN,
        is_deserving=truth == favourable,
        score=None if np.isnan(score).any() else score,
    )
