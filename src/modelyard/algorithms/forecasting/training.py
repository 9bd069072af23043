"""Trains a forecaster from start to bundle."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from modelyard.algorithms.base import Channel, TrainingContext
from modelyard.algorithms.bundles import Trained, write_bundle
from modelyard.algorithms.forecasting.forecasters import Forecasts, error_quantiles
from modelyard.algorithms.forecasting.loading import SeriesTable, load_series
from modelyard.algorithms.forecasting.members import fit_forecaster
from modelyard.algorithms.forecasting.naive import seasonal_naive
from modelyard.algorithms.forecasting.windows import Frame, Parts, Windows, frame_of, split_series
from modelyard.runtimes.base import Predictor, Tensor, Tensors
from modelyard.types.models import ModelCard, Task
from modelyard.types.serving.forecasts import MEAN, QUANTILES, SERIES, forecast_signature
from modelyard.types.signatures import Scalar

_UNSEEN_SHARE = 0.25
"""Of the windows that train, the latest: a model of those before them shows how large errors are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A table and its windows."""

    table: SeriesTable
    frame: Frame
    parts: Parts


def prepare(channel: Channel, target: str | None, given: Mapping[str, Scalar], *, is_trial: bool = False) -> Prepared:
    """Read, cut and split.

    Raises:
        InvalidInputError: the series cannot be learnt from; the message says which column and why.
    """
    table = load_series(channel, target, str(given["time_column"]), str(given["series_column"]))
    frame = frame_of(table, int(given["horizon"]), int(given.get("window", 0)))
    return Prepared(
        table=table,
        frame=frame,
        parts=split_series(table, frame, float(given["holdout_share"]), is_trial=is_trial),
    )


def train(channels: Mapping[str, Channel], given: Mapping[str, Scalar], name: str, context: TrainingContext) -> None:
    """Read, fit, write the bundle; see base.Algorithm.train."""
    prepared = prepare(channels["train"], context.target, given, is_trial=context.is_trial)
    table, frame, parts = prepared.table, prepared.frame, prepared.parts
    context.log(
        f"{len(table.series):,} series, frequency {table.frequency}, seasons {list(frame.seasons) or 'none'}: "
        f"{frame.window:,} values tell the next {frame.horizon:,}"
    )
    context.log(f"{len(parts.train.times):,} windows train, {len(parts.holdout.times):,} are held out")
    model = _fit(name, parts.train, given, context)
    _log_naive(parts.holdout, context)
    whole = {SERIES: np.concatenate([parts.train.pasts, parts.holdout.pasts])}
    is_held_out = np.repeat([False, True], [len(parts.train.times), len(parts.holdout.times)])
    trained = Trained(
        artifact=model.artifact(),
        signature=forecast_signature(frame.window, frame.horizon),
        original=_Original(model),
        inputs=whole,
        is_held_out=is_held_out,
        truth=np.concatenate([parts.train.truth, parts.holdout.truth]),
        card=_card(prepared, given, name, channels, context),
    )
    write_bundle(trained, context)


def _fit(name: str, windows: Windows, given: Mapping[str, Scalar], context: TrainingContext) -> Forecasts:
    """The model of all windows, with the errors that one of the earlier windows makes on the later ones."""
    unseen = windows.times >= np.quantile(windows.times, 1 - _UNSEEN_SHARE)
    seen = windows.before(int(windows.times[unseen][0]))
    earlier = windows.part(seen) if seen.sum() > 1 else windows
    unseen_windows, units = windows.part(unseen), windows.frame.units
    first = fit_forecaster(name, earlier, given, context)
    errors = error_quantiles(units, first, unseen_windows.exact, unseen_windows.futures)
    return Forecasts(units, fit_forecaster(name, windows, given, context), errors)


def _log_naive(windows: Windows, context: TrainingContext) -> None:
    frame = windows.frame
    answers = seasonal_naive(frame.window, frame.horizon, frame.season).answers(windows.exact)
    mase = float((np.abs(answers - windows.futures) / windows.scales[:, None]).mean())
    context.log(f"held-out mase of the seasonal naive forecast: {mase:.4f}")


def _card(
    prepared: Prepared,
    given: Mapping[str, Scalar],
    name: str,
    channels: Mapping[str, Channel],
    context: TrainingContext,
) -> ModelCard:
    table, frame, parts = prepared.table, prepared.frame, prepared.parts
    return ModelCard(
        task=Task.FORECASTING,
        description=f"Forecasts the next {frame.horizon:,} values of '{context.target}' from the last "
        f"{frame.window:,}; frequency {table.frequency}.",
        intended_use=f"Forecast series like those that it was trained on, of the same frequency ({table.frequency}).",
        limitations="It knows nothing but the last values: no holidays, prices or weather. Its quantiles are those of "
        "its errors in the last part of the time that it learnt from: they hold as long as the series behave as then.",
        algorithm=name,
        hyperparameters=dict(given),
        training_data=tuple(channel.reference for channel in channels.values()),
        findings=table.findings,
        tags=(Task.FORECASTING.value, "series"),
        custom={
            "target": str(context.target),
            "series": len(table.series),
            "frequency": table.frequency,
            "season": frame.season,
            "window": frame.window,
            "training_rows": len(parts.train.times),
            "held_out_rows": len(parts.holdout.times),
        },
    )


class _Original(Predictor):
    """The model as it was fitted, without ONNX."""

    def __init__(self, model: Forecasts) -> None:
        self._model = model

    def predict(self, inputs: Mapping[str, Tensor]) -> Tensors:
        mean, quantiles = self._model.answers(np.asarray(inputs[SERIES], dtype=np.float64))
        return {MEAN: mean.astype(np.float32), QUANTILES: quantiles.astype(np.float32)}
