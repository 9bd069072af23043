"""Time series: candidates are judged by what they say at many points of the past, each of what was not known then."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.automl.errors import AutoMLInvalidError
from modelyard.algorithms.automl.forecasts import series_spaces, series_start
from modelyard.algorithms.automl.judging.latency import graph_latency_ms
from modelyard.algorithms.automl.profiling import moments
from modelyard.algorithms.automl.spaces import Space
from modelyard.algorithms.automl.tasks.base import Answered, Numbers, Subject
from modelyard.algorithms.base import Channel, TrainingContext
from modelyard.algorithms.errors import TooFewRowsError
from modelyard.algorithms.forecasting.forecasters import Forecaster, Forecasts
from modelyard.algorithms.forecasting.members import fit_forecaster, settled
from modelyard.algorithms.forecasting.naive import seasonal_naive
from modelyard.algorithms.forecasting.training import Prepared, prepare
from modelyard.algorithms.forecasting.windows import Windows
from modelyard.algorithms.preparation.classes import Classes
from modelyard.types.automl.recipes import AutoMLRecipe
from modelyard.types.automl.reports import DataProfile, SeriesProfile
from modelyard.types.models import Task
from modelyard.types.serving.forecasts import LEVELS, SERIES
from modelyard.types.signatures import Scalar

_FOLDS = 5
_JUDGED_SHARE = 0.5
"""Of the points in time, the latest: they are asked. All before them are learnt from only."""
_LEAST_BEFORE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesSubject:
    """See Subject. A row is a window, in the order of time."""

    prepared: Prepared
    windows: Windows
    shared: Mapping[str, Scalar]
    task: Task = Task.FORECASTING
    classes: Classes | None = None
    ensemble: str = "ensemble-forecasting"

    @property
    def target(self) -> NDArray[Any]:
        """See Subject."""
        return self.windows.truth

    @property
    def start(self) -> tuple[tuple[str, Mapping[str, Scalar]], ...]:
        """See Subject."""
        return series_start(self.windows.frame.seasons, is_positive=self.prepared.table.is_positive)

    def spaces(self) -> Mapping[str, Space]:
        """See Subject."""
        return series_spaces(self.windows.frame.seasons, is_positive=self.prepared.table.is_positive)

    def deal(self, seed: int) -> Numbers:  # noqa: ARG002 - nothing is drawn: time is the order
        """Folds that follow each other in time; the early windows are in none."""
        horizon = self.windows.frame.horizon
        times = np.unique(self.windows.times)
        askable = int((times >= times[0] + horizon + _LEAST_BEFORE).sum())
        judged = min(int(len(times) * _JUDGED_SHARE), askable)
        folds = min(_FOLDS, judged)
        if folds < 2:  # noqa: PLR2004 - a standard error takes two
            raise TooFewRowsError(
                f"Only {len(times):,} points of the past can be learnt from or asked with a horizon of {horizon:,}",
                hint="Give longer series, or a shorter horizon.",
                field="horizon",
            )
        places = np.searchsorted(times[-judged:], self.windows.times)
        return np.where(self.windows.times < times[-judged], -1, places * folds // judged)[None]

    def half(self, fold: Numbers) -> tuple[Subject, Numbers]:
        """The same without the older half of what is learnt from only."""
        keep = np.arange(int((fold[0] < 0).sum()) // 2, len(fold[0]))
        return SeriesSubject(prepared=self.prepared, windows=self.windows.part(keep), shared=self.shared), fold[:, keep]

    def fit(
        self, algorithm: str, given: Mapping[str, Scalar], learnt: Numbers, judged: Numbers, context: TrainingContext
    ) -> Answered:
        """See Subject."""
        asked = self.windows.part(judged)
        known = self.windows.part(learnt)
        begin = perf_counter()
        model = fit_forecaster(algorithm, known, given, context)
        seconds = perf_counter() - begin
        return Answered(
            answers=model.answers(asked.exact).astype(np.float32),
            seconds=seconds,
            latency_ms=lambda: self._latency_ms(model, asked),
            settled=settled(model) if given.get("early_stopping_rounds") else {},
        )

    def apart(self, learnt: Numbers, judged: Numbers) -> Numbers:
        """See Subject."""
        return learnt[self.windows.before(int(self.windows.times[judged].min()))[learnt]]

    def guess(self, learnt: Numbers, judged: Numbers) -> NDArray[np.float64]:  # noqa: ARG002 - it learns nothing
        """The seasonal naive forecast."""
        frame = self.windows.frame
        naive = seasonal_naive(frame.window, frame.horizon, frame.season)
        return naive.answers(self.windows.part(judged).exact)

    def profile(self, seed: int) -> DataProfile:  # noqa: ARG002 - nothing is drawn
        """See Subject."""
        table, frame, cut = self.prepared.table, self.windows.frame, self.prepared.parts.cut
        lengths = [len(each.values) for each in table.series]
        held_out = sum(
            min(size, max(0, each.first + size - cut)) for each, size in zip(table.series, lengths, strict=True)
        )
        return DataProfile(
            rows=table.rows,
            held_out_rows=held_out,
            duplicate_rows=table.repeated,
            conflicting_rows=0,
            target=moments(np.concatenate([each.values for each in table.series])),
            series=SeriesProfile(
                series=len(table.series),
                frequency=table.frequency,
                seasons=frame.seasons,
                window=frame.window,
                horizon=frame.horizon,
                shortest=min(lengths),
                longest=max(lengths),
                gaps=table.gaps,
                repeated=table.repeated,
                constant=table.constant,
            ),
            warnings=table.findings,
        )

    def _latency_ms(self, model: Forecaster, asked: Windows) -> float:
        errors = np.zeros((len(LEVELS), asked.frame.horizon))
        artifact = Forecasts(asked.frame.units, model, errors).artifact()
        return graph_latency_ms(artifact, {SERIES: asked.pasts[:1]})


def open_series(channel: Channel, target: str | None, recipe: AutoMLRecipe) -> SeriesSubject:
    """Read a table of time series.

    Raises:
        AutoMLInvalidError: no horizon.
        InvalidInputError: the series cannot be learnt from; the message says why.
    """
    if recipe.horizon < 1:
        raise AutoMLInvalidError(
            "A forecast needs a horizon", hint="Say how many steps of time to forecast (--horizon).", field="horizon"
        )
    shared: dict[str, Scalar] = {
        "horizon": recipe.horizon,
        "time_column": recipe.time_column,
        "series_column": recipe.series_column,
        "holdout_share": recipe.holdout_share,
    }
    prepared = prepare(channel, target, shared)
    shared["window"] = prepared.frame.window
    return SeriesSubject(prepared=prepared, windows=prepared.parts.train, shared=shared)
