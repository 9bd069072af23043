"""Cuts series into what a forecast is given and what it is to say, and tells by time which of that may be learnt."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.errors import TooFewRowsError
from modelyard.algorithms.forecasting.loading import SeriesTable
from modelyard.algorithms.forecasting.units import Units, Values

_MOST_WINDOWS = 20_000
_MOST_CELLS = 10_000_000
_LEAST_LEARNT = 10
_SHORT_SEASON = 31
_LEAST_WINDOW, _PLAIN_RECENT = 16, 8
_WINDOW_SHARE = 1 / 3
"""Of the longest series, at most: the rest makes examples."""
_TINY = 1e-9
TRIAL_SHARE = 0.2
"""Of all time: what trials of a tuning job are measured on."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The last `window` values tell the next `horizon`; `seasons`: those that a window has twice, shortest first."""

    window: int
    horizon: int
    seasons: tuple[int, ...]

    @property
    def season(self) -> int:
        """The shortest one; 1: there is none."""
        return min(self.seasons, default=1)

    @property
    def units(self) -> Units:
        """Level and spread of the last season."""
        recent = self.season if self.season > 1 else min(self.window, _PLAIN_RECENT)
        return Units(self.window, recent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Examples in the order of time.

    Attributes:
        frame: their sizes.
        pasts: (n, window) float32, as a model gets them.
        futures: (n, horizon).
        scales: (n,) mean absolute error of the seasonal naive forecast of one step on the series that each is of, on
            the part of it that is not held out.
        times: (n,) the step of time of the first value that is to be forecast.
    """

    frame: Frame
    pasts: NDArray[np.float32]
    futures: Values
    scales: Values
    times: Numbers

    def part(self, numbers: Numbers | NDArray[np.bool_]) -> "Windows":
        """Some of them."""
        return Windows(
            frame=self.frame,
            pasts=self.pasts[numbers],
            futures=self.futures[numbers],
            scales=self.scales[numbers],
            times=self.times[numbers],
        )

    @property
    def exact(self) -> Values:
        """The pasts as float64."""
        return self.pasts.astype(np.float64)

    @property
    def truth(self) -> Values:
        """(n, horizon + 1): what is to be said and, last, the scale."""
        return np.concatenate([self.futures, self.scales[:, None]], axis=1)

    def before(self, time: int) -> NDArray[np.bool_]:
        """(n,) of which everything is known when `time` begins."""
        return np.asarray(self.times + self.frame.horizon <= time)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Windows whose futures are over before any value that is held out, and those whose futures are all held out."""

    train: Windows
    holdout: Windows
    cut: int
    """The first step of time that is held out."""


def frame_of(table: SeriesTable, horizon: int, window: int = 0) -> Frame:
    """Sizes that fit the series; `window` is 0 if it is to be chosen."""
    most = int(table.longest * _WINDOW_SHARE)
    seasons = tuple(season for season in table.seasons if 2 * season <= (window or most))
    longest = max(seasons, default=0)
    chosen = longest * (3 if longest <= _SHORT_SEASON else 2)
    if chosen > most:
        chosen = 2 * longest
    chosen = max(chosen, min(most, max(_LEAST_WINDOW, 2 * horizon)), 2)
    return Frame(window=max(2, window or chosen), horizon=horizon, seasons=seasons)  # one value has no spread


def split_series(table: SeriesTable, frame: Frame, share: float, *, is_trial: bool = False) -> Parts:
    """Hold out the last part of time, one horizon at least.

    Args:
        table: the series.
        frame: sizes.
        share: of the time that the longest series takes.
        is_trial: the part before the last one is held out in its place, which then nobody looks at.

    Raises:
        TooFewRowsError: the series are too short for this horizon.
    """
    end = max(each.first + len(each.values) for each in table.series)
    cut = end - max(frame.horizon, round(share * table.longest))
    if is_trial:
        end, cut = cut, cut - max(frame.horizon, round(TRIAL_SHARE * table.longest))
    windows = _cut(table, frame, cut)
    train, holdout = windows.before(cut), (windows.times >= cut) & windows.before(end)
    if train.sum() < _LEAST_LEARNT or not holdout.any():
        raise TooFewRowsError(
            f"The longest series has {table.longest:,} steps: too few to learn {frame.horizon:,} steps ahead from "
            f"{frame.window:,}",
            hint=f"Some {_needed(frame, share):,} steps are needed. Give longer series, or a shorter horizon.",
            field="hyperparameters.horizon",
        )
    return Parts(train=windows.part(train), holdout=windows.part(holdout), cut=cut)


def _needed(frame: Frame, share: float) -> int:
    least = frame.window + 2 * frame.horizon + _LEAST_LEARNT
    return max(least, int((frame.window + frame.horizon + _LEAST_LEARNT) / (1 - share)) + 1)


def _cut(table: SeriesTable, frame: Frame, known: int) -> Windows:
    """All windows whose past ends with a value that was known: what bridges a gap there tells what comes next.

    Their scales are of what comes before the step of time `known`; of a series that has no move by then, of all of it.
    """
    size = frame.window + frame.horizon
    ends = [
        (each.first + place, number, place)
        for number, each in enumerate(table.series)
        for place in range(frame.window, len(each.values) - frame.horizon + 1)
        if each.is_known[place - 1]
    ]
    most = max(1, min(_MOST_WINDOWS, _MOST_CELLS // size))
    stride = -(-len(ends) // most)
    ends = sorted(each for each in ends if each[0] % stride == 0) if stride > 1 else sorted(ends)
    scales = []
    for each in table.series:
        before = each.values[: max(0, known - each.first)]
        scales.append(_scale(before if len(before) and np.ptp(before) > 0 else each.values, frame.season))
    whole = np.zeros((len(ends), size))
    for row, (_, number, place) in enumerate(ends):
        whole[row] = table.series[number].values[place - frame.window : place + frame.horizon]
    return Windows(
        frame=frame,
        pasts=whole[:, : frame.window].astype(np.float32),
        futures=whole[:, frame.window :],
        scales=np.array([scales[number] for _, number, _ in ends]),
        times=np.array([time for time, _, _ in ends], dtype=np.int64),
    )


def _scale(values: Values, season: int) -> float:
    """Source: R. Hyndman, A. Koehler, "Another look at measures of forecast accuracy", 2006 (MASE)."""
    lag = season if len(values) > season else 1
    moves = np.abs(values[lag:] - values[:-lag])
    found = float(moves.mean()) if len(moves) else 0.0
    return found if found > _TINY else max(float(np.abs(values).mean()), _TINY)
