"""The held-out part of time series for a forecaster that is there already."""

from typing import Any

from numpy.typing import NDArray

from modelyard.algorithms.base import Channel
from modelyard.algorithms.forecasting.loading import load_series
from modelyard.algorithms.forecasting.windows import Frame, frame_of, split_series
from modelyard.errors import InvalidInputError
from modelyard.runtimes.base import Tensors
from modelyard.types.models import Manifest
from modelyard.types.serving.forecasts import MEAN, QUANTILES, SERIES, takes_series


def held_out_windows(
    channel: Channel, manifest: Manifest, share: float, target: str | None
) -> tuple[Tensors, NDArray[Any]]:
    """Windows and what followed them, of the last part of time.

    Only one of each horizon's length is taken: those between share most of their values with it, and a test that takes
    them for independent would be too sure.

    Raises:
        InvalidInputError: the table has no such series, or the model takes none; the message says which and why.
    """
    given, signature = manifest.card.hyperparameters, manifest.signature
    if not takes_series(signature):
        raise InvalidInputError(
            "A forecaster that takes no window of values, or tells no quantiles, cannot be evaluated on series",
            hint=f"Its tensors have to be '{SERIES}', and '{MEAN}' and '{QUANTILES}' of what follows.",
            field="candidates",
        )
    window = next(spec.shape[1] for spec in signature.inputs if spec.name == SERIES)
    horizon = next(spec.shape[1] for spec in signature.outputs if spec.name == MEAN)
    table = load_series(channel, target, str(given.get("time_column", "")), str(given.get("series_column", "")))
    seasons = frame_of(table, horizon, window).seasons
    held_out = split_series(table, Frame(window=window, horizon=horizon, seasons=seasons), share).holdout
    apart = held_out.part((held_out.times - held_out.times[0]) % horizon == 0)
    return {SERIES: apart.pasts}, apart.truth
