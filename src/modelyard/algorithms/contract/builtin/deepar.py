"""Forecasts under DeepAR's name: one linear autoregression over all series, with the quantiles of its own errors.

No recurrent network: each value of the horizon is a ridge regression on the recent past and on what was at the same
times of the seasons that the frequency has, in units of the series' own level and spread. Its quantiles are those of
the errors that it makes on the end of the series, which it has not seen by then.

Source: docs.aws.amazon.com/sagemaker/latest/dg/deepar_hyperparameters.html.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.contract.builtin.graphs import ARTIFACT
from modelyard.algorithms.contract.context import BuiltInJob
from modelyard.algorithms.contract.formats.series import read_series
from modelyard.algorithms.errors import TooFewRowsError
from modelyard.algorithms.forecasting.autoregression import fit_autoregression
from modelyard.algorithms.forecasting.forecasters import Forecasts, Scaled, error_quantiles
from modelyard.algorithms.forecasting.seasons import Layout, seasons_of
from modelyard.algorithms.forecasting.units import Units, Values
from modelyard.kit.files import write_atomic
from modelyard.types.serving.forecasts import LEVELS
from modelyard.types.serving.windows import last_window

_MOST_WINDOWS = 20_000
_HELD_OUT = 0.2
_PENALTIES = (1.0, 10.0, 100.0, 1000.0)
_TINY = 1e-6
_TESTED_LEVELS = tuple(tenth / 10 for tenth in range(1, 10))


def train(job: BuiltInJob) -> None:
    """Train on the channel `train`; the ends of the series in `test`, if there is one, are forecast to measure."""
    horizon = job.integer("prediction_length")
    context = job.integer("context_length", horizon)
    layout = Layout(context, horizon, seasons_of(job.text("time_freq")))
    series = read_series(job.data / "train")
    model = _fit(layout, series)
    job.log(f"{len(series)} series; the last {layout.window} values tell the next {horizon}")
    write_atomic(job.model / ARTIFACT, model.artifact())
    if job.has("test"):
        _measure(job, layout, model, read_series(job.data / "test"))


def _fit(layout: Layout, series: Sequence[NDArray[np.float64]]) -> Forecasts:
    pasts, futures = _examples(layout, series)
    held = max(1, int(len(pasts) * _HELD_OUT))  # the latest: examples stand in the order of their ends
    earlier = _ridge(layout, pasts[:-held], futures[:-held])
    errors = error_quantiles(earlier.units, earlier, pasts[-held:], futures[-held:])
    return Forecasts(earlier.units, _ridge(layout, pasts, futures), errors)


def _ridge(layout: Layout, pasts: Values, futures: Values) -> Scaled:
    units = Units(layout.window, layout.level_size)
    level, spread = units.of(pasts)
    return Scaled(units, fit_autoregression(layout, (pasts - level) / spread, (futures - level) / spread, _PENALTIES))


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


def _measure(job: BuiltInJob, layout: Layout, model: Forecasts, series: Sequence[NDArray[np.float64]]) -> None:
    """Errors on the last values of each series, from what was before them."""
    long = [each for each in series if len(each) > layout.horizon]
    if not long:
        return
    pasts = np.stack([last_window(each[: -layout.horizon], layout.window) for each in long])
    truth = np.stack([each[-layout.horizon :] for each in long])
    mean, quantiles = model.answers(pasts)
    root = float(np.sqrt(((mean - truth) ** 2).mean()))
    losses = []
    for tested in _TESTED_LEVELS:
        over = quantiles[:, LEVELS.index(round(tested, 2))] - truth
        loss = 2 * np.maximum(tested * -over, (1 - tested) * over).sum()
        losses.append(float(loss / max(np.abs(truth).sum(), _TINY)))
    for name, value in (("RMSE", root), ("mean_wQuantileLoss", float(np.mean(losses)))):
        job.metric(f"test:{name}", value, 0)
        job.log(f"#test_score (algo-1, {name}): {value}")
