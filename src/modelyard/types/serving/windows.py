"""The recent past of a time series, in a length that a model takes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def filled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values whose gaps (NaN) are bridged by straight lines; beyond its ends a series goes on as it was there."""
    is_known = ~np.isnan(values)
    if is_known.all():
        return values
    if not is_known.any():
        return np.zeros_like(values)
    places = np.arange(len(values))
    return np.interp(places, places[is_known], values[is_known])


def last_window(values: Sequence[float] | NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """The last `size` values (size,), gaps filled; a shorter series has its mean in front."""
    whole = filled(np.asarray(values, dtype=np.float64))[-size:]
    return np.concatenate([np.full(size - len(whole), whole.mean()), whole])
