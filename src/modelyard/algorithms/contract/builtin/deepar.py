"""Forecasts under DeepAR's name: one linear autoregression over all series, with the quantiles of its own errors.

No recurrent network: each value of the horizon is a ridge regression on the recent past and on what was at the same
times of the seasons that the frequency has, in units of the series' own level and spread. Its quantiles are those of
the errors that it makes on the end of the series, which it has not seen by then.

Source: docs.aws.amazon.com/sagemaker/latest/dg/deepar_hyperparameters.html.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.contract.builtin.graphs import ARTIFACT
from modelyard.algorithms.contract.builtin.seasons import Layout, seasons_of
from modelyard.algorithms.contract.context import BuiltInJob
from modelyard.algorithms.contract.formats.series import read_series
from modelyard.algorithms.errors import TooFewRowsError
from modelyard.algorithms.graph import Graph
from modelyard.kit.files import write_atomic
from modelyard.types.serving.forecasts import LEVELS, MEAN, QUANTILES, SERIES, forecast_signature
from modelyard.types.serving.windows import last_window

_MOST_WINDOWS = 20_000
_HELD_OUT = 0.2
_PENALTIES = (1.0, 10.0, 100.0, 1000.0)
_LEAST_SPREAD = 1e-3  # of a level: a series that hardly moves is not blown up
_TINY = 1e-6
_TESTED_LEVELS = tuple(tenth / 10 for tenth in range(1, 10))


@dataclass(frozen=True, slots=True)
class Forecaster:
    """`units @ weights + bias` (n, horizon), and the quantiles of its errors (levels, horizon), in the same units."""

    layout: Layout
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    errors: NDArray[np.float64]


def train(job: BuiltInJob) -> None:
    """Train on the channel `train`; the ends of the series in `test`, if there is one, are forecast to measure."""
    horizon = job.integer("prediction_length")
    context = job.integer("context_length", horizon)
    layout = Layout(context, horizon, seasons_of(job.text("time_freq")))
    series = read_series(job.data / "train")
    model = _fit(layout, series)
    job.log(f"{len(series)} series; the last {layout.window} values tell the next {horizon}")
    write_atomic(job.model / ARTIFACT, _graph(model).to_bytes(forecast_signature(layout.window, horizon)))
    if job.has("test"):
        _measure(job, model, read_series(job.data / "test"))


def _fit(layout: Layout, series: Sequence[NDArray[np.float64]]) -> Forecaster:
    from sklearn.linear_model import RidgeCV  # noqa: PLC0415 - each job loads what it needs

    pasts, futures = _examples(layout, series)
    features, targets = _features(layout, pasts), _in_units(layout, pasts, futures)
    held = max(1, int(len(features) * _HELD_OUT))  # the latest: examples stand in the order of their ends
    earlier = RidgeCV(_PENALTIES).fit(features[:-held], targets[:-held])
    errors = targets[-held:] - earlier.predict(features[-held:]).reshape(held, -1)
    fitted = RidgeCV(_PENALTIES).fit(features, targets)
    return Forecaster(
        layout,
        np.atleast_2d(fitted.coef_).T,
        np.atleast_1d(fitted.intercept_),
        np.quantile(errors, LEVELS, axis=0),
    )


def _examples(layout: Layout, series: Sequence[NDArray[np.float64]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, window) and (n, horizon): pasts and what followed, those of the ends of the series last."""
    ends = [(len(each) - end, number, end) for number, each in enumerate(series) for end in _ends(layout, each)]
    if len(ends) < 2:  # noqa: PLR2004 - one to learn from, one to measure by
        raise TooFewRowsError(
            f"No series is long enough to learn {layout.horizon} values ahead",
            hint="Give longer series, or lower prediction_length.",
            field="prediction_length",
        )
    if len(ends) > _MOST_WINDOWS:
        chosen = np.random.default_rng(0).choice(len(ends), _MOST_WINDOWS, replace=False)
        ends = [ends[index] for index in chosen]
    ends.sort(key=lambda each: (-each[0], each[1]))
    pasts = np.stack([last_window(series[number][:end], layout.window) for _, number, end in ends])
    return pasts, np.stack([series[number][end : end + layout.horizon] for _, number, end in ends])


def _ends(layout: Layout, series: NDArray[np.float64]) -> range:
    """Where a past may end: behind a whole window if the series has one, else behind its beginning."""
    last = len(series) - layout.horizon
    return range(max(1, min(layout.window, last)), last + 1)


def _units(layout: Layout, pasts: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, 1) level and spread of each past."""
    recent = pasts[:, -layout.level_size :]
    level = recent.mean(axis=1, keepdims=True)
    spread = np.abs(recent - level).mean(axis=1, keepdims=True)
    return level, np.maximum(spread, _LEAST_SPREAD * np.abs(level) + _TINY)


def _features(layout: Layout, pasts: NDArray[np.float64]) -> NDArray[np.float64]:
    level, spread = _units(layout, pasts)
    return np.asarray((pasts[:, layout.places] - level) / spread)


def _in_units(layout: Layout, pasts: NDArray[np.float64], futures: NDArray[np.float64]) -> NDArray[np.float64]:
    level, spread = _units(layout, pasts)
    return np.asarray((futures - level) / spread)


def _measure(job: BuiltInJob, model: Forecaster, series: Sequence[NDArray[np.float64]]) -> None:
    """Errors on the last values of each series, from what was before them."""
    horizon = model.layout.horizon
    long = [each for each in series if len(each) > horizon]
    if not long:
        return
    pasts = np.stack([last_window(each[:-horizon], model.layout.window) for each in long])
    truth = np.stack([each[-horizon:] for each in long])
    level, spread = _units(model.layout, pasts)
    answers = _features(model.layout, pasts) @ model.weights + model.bias
    root = float(np.sqrt(((answers * spread + level - truth) ** 2).mean()))
    losses = []
    for tested in _TESTED_LEVELS:
        quantile = (answers + model.errors[LEVELS.index(round(tested, 2))]) * spread + level
        over = quantile - truth
        loss = 2 * np.maximum(tested * -over, (1 - tested) * over).sum()
        losses.append(float(loss / max(np.abs(truth).sum(), _TINY)))
    for name, value in (("RMSE", root), ("mean_wQuantileLoss", float(np.mean(losses)))):
        job.metric(f"test:{name}", value, 0)
        job.log(f"#test_score (algo-1, {name}): {value}")


def _graph(model: Forecaster) -> Graph:
    layout, graph = model.layout, Graph()
    one = graph.constant(np.array([1], dtype=np.int64))
    recent_places = graph.constant(np.arange(layout.window - layout.level_size, layout.window))
    recent = graph.add("Gather", SERIES, recent_places, axis=1)
    level = graph.add("ReduceMean", recent, axes=[1], keepdims=1)
    moves = graph.add("Abs", graph.add("Sub", recent, level))
    least = graph.add("Mul", graph.add("Abs", level), graph.constant(np.float32(_LEAST_SPREAD)))
    floor = graph.add("Add", least, graph.constant(np.float32(_TINY)))
    spread = graph.add("Max", graph.add("ReduceMean", moves, axes=[1], keepdims=1), floor)
    known = graph.add("Gather", SERIES, graph.constant(layout.places), axis=1)
    units = graph.add("Div", graph.add("Sub", known, level), spread)
    answers = graph.dense(units, model.weights.astype(np.float32), model.bias.astype(np.float32))
    graph.add("Add", graph.add("Mul", answers, spread), level, output=MEAN)
    wide = graph.add("Add", graph.add("Unsqueeze", answers, one), graph.constant(model.errors[None].astype(np.float32)))
    scaled = graph.add("Mul", wide, graph.add("Unsqueeze", spread, one))
    graph.add("Add", scaled, graph.add("Unsqueeze", level, one), output=QUANTILES)
    return graph
