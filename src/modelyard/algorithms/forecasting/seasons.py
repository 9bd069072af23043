"""Which seasons a frequency of time has, and which values of the past a forecast looks at."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.errors import HyperparameterInvalidError

_FREQUENCY = re.compile(r"(?P<count>\d*)(?P<unit>min|[A-Za-z]+)(?:-[A-Z]{3})?")
_SEASONS = {"min": (60, 1440), "T": (60, 1440), "H": (24, 168), "D": (7,), "B": (5,), "W": (52,), "M": (12,), "Q": (4,)}

_LEAST_SHOWN = 24
_ALIKE = 0.3
"""Autocorrelation that makes a season."""


def seasons_of(frequency: str) -> tuple[int, ...]:
    """Lengths of its seasons in steps, such as 24 and 168 of "H"; "15min" has 4 and 96.

    Raises:
        HyperparameterInvalidError: it is no frequency.
    """
    found = _FREQUENCY.fullmatch(frequency)
    unit = found["unit"] if found is not None else ""
    known = unit if unit in _SEASONS else unit.upper()
    if found is None or known not in (*_SEASONS, "Y", "A"):
        raise HyperparameterInvalidError(
            f"'{frequency[:40]}' is no frequency",
            hint=f"Give one of {', '.join(_SEASONS)} and Y, with a number in front if need be: 15min.",
            field="time_freq",
        )
    count = int(found["count"] or 1)
    steps = (season // count for season in _SEASONS.get(known, ()) if count and season % count == 0)
    return tuple(step for step in steps if step > 1)


@dataclass(frozen=True, slots=True)
class Layout:
    """What a forecast of `horizon` values looks at: the last `context` values, and the same times of each season."""

    context: int
    horizon: int
    seasons: tuple[int, ...]

    @property
    def window(self) -> int:
        """How many of the last values it has to be given."""
        return max((self.level_size, *self.seasons))

    @property
    def level_size(self) -> int:
        """How many of the last values tell level and spread: one whole season at least."""
        return max(self.context, min(self.seasons, default=1), 2)

    @property
    def places(self) -> NDArray[np.int64]:
        """Indices of the window that it looks at."""
        found = set(range(self.window - self.context, self.window))
        for season in self.seasons:
            found |= {self.window - season + step % season for step in range(self.horizon)}
        return np.array(sorted(found), dtype=np.int64)


def usual_seasons(frequency: str, values: NDArray[np.float64]) -> tuple[int, ...]:
    """Those of the frequency; where it has none, the one that the values themselves show, if they do."""
    try:
        known = seasons_of(frequency)
    except HyperparameterInvalidError:  # "steps", or seconds
        known = ()
    return known or shown_season(values)


def shown_season(values: NDArray[np.float64]) -> tuple[int, ...]:
    """The lag at which a series without its trend is most like itself again, if it is at all."""
    count = len(values)
    if count < _LEAST_SHOWN or np.ptp(values) == 0:
        return ()
    places = np.arange(count)
    plain = values - np.polyval(np.polyfit(places, values, 1), places)
    size = 2 ** int(np.ceil(np.log2(2 * count)))
    likeness = np.fft.irfft(np.abs(np.fft.rfft(plain, size)) ** 2)[: count // 3]
    if likeness[0] <= 0:
        return ()
    likeness = likeness / likeness[0]
    is_peak = (likeness[1:-1] > likeness[:-2]) & (likeness[1:-1] >= likeness[2:])
    peaks = np.flatnonzero(is_peak) + 1
    peaks = peaks[likeness[peaks] > _ALIKE]
    return (int(peaks[np.argmax(likeness[peaks])]),) if len(peaks) else ()
