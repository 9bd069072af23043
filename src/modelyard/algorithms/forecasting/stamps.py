"""How far apart the time stamps of a table are, and where on that grid each of them lies."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.errors import ColumnsInvalidError

Places = NDArray[np.int64]

_SECOND = 1_000_000  # stamps are in microseconds
_UNITS = (("W", 7 * 86400), ("D", 86400), ("H", 3600), ("min", 60), ("s", 1))
_MONTHS = {1: "M", 3: "Q", 12: "Y"}
_SHORTEST_MONTH = 28
_OFF_GRID = 0.05
STEPS = "steps"
"""The frequency of a column of numbers."""


@dataclass(frozen=True, slots=True)
class Grid:
    """`frequency` is a name such as "H", "15min", "M" or "steps"; `places` (n,) count its steps from the first one."""

    frequency: str
    places: Places


def find_grid(stamps: NDArray[Any], groups: Places, name: str) -> Grid:
    """Infer the grid of all series together.

    Args:
        stamps: (n,) datetime64[us], or whole numbers.
        groups: (n,) which series each belongs to.
        name: of the column, for messages.

    Raises:
        ColumnsInvalidError: no series has two different stamps, or they are not evenly apart.
    """
    numbers = stamps.astype(np.int64)
    steps = _steps(numbers, groups)
    if not len(steps):
        raise _invalid(name, "has no series with two different times")
    if stamps.dtype.kind != "M":
        return Grid(STEPS, _even(numbers, int(np.median(steps)), name))
    if np.median(steps) >= _SHORTEST_MONTH * 86400 * _SECOND and _are_months(stamps):
        months = stamps.astype("datetime64[M]").astype(np.int64)
        count = int(np.gcd.reduce(_steps(months, groups)))
        return Grid(_MONTHS.get(count, f"{count}M"), (months - months.min()) // count)
    if _are_weekdays(stamps, float(np.median(steps))):
        days = stamps.astype("datetime64[D]")
        return Grid("B", np.busday_count(days.min(), days).astype(np.int64))
    step = int(np.median(steps))
    return Grid(_name(step), _even(numbers, step, name))


def _steps(numbers: Places, groups: Places) -> Places:
    """Differences of neighbours of the same series, those of 0 left out."""
    order = np.lexsort((numbers, groups))
    found = np.diff(numbers[order])[np.diff(groups[order]) == 0]
    return np.asarray(found[found > 0])


def _are_months(stamps: NDArray[np.datetime64]) -> bool:
    """All on the same day of the month, or all at its end."""
    days = (stamps.astype("datetime64[D]") - stamps.astype("datetime64[M]")).astype(np.int64) + 1
    return bool((days == days[0]).all() or days.min() >= _SHORTEST_MONTH)


def _are_weekdays(stamps: NDArray[np.datetime64], step: float) -> bool:
    days = stamps.astype("datetime64[D]")
    is_daily = step == 86400 * _SECOND and bool((stamps == days).all())
    return is_daily and bool(np.is_busday(days).all()) and len(np.unique(days)) > 5  # noqa: PLR2004 - a week tells


def _even(numbers: Places, step: int, name: str) -> Places:
    """Places on a grid that begins with the first number."""
    exact = (numbers - numbers.min()) / step
    places: Places = np.rint(exact).astype(np.int64)
    if (np.abs(exact - places) > _OFF_GRID).mean() > _OFF_GRID:
        raise _invalid(name, "is not evenly spaced: many of its times fall between the usual steps")
    return places


def _name(step: int) -> str:
    seconds = step / _SECOND
    for unit, size in _UNITS:
        if seconds >= size and seconds % size == 0:
            count = int(seconds // size)
            return unit if count == 1 else f"{count}{unit}"
    return f"{seconds:g}s"


def _invalid(name: str, what: str) -> ColumnsInvalidError:
    return ColumnsInvalidError(
        f"The time column '{name[:80]}' {what}",
        hint="Give one row for each step of time, such as a sum or a mean per hour, day or month.",
        field="hyperparameters.time_column",
    )
