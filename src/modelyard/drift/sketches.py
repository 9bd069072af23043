"""Small summaries of a column that add up: counts in fixed bins, with moments.

The bins of a number are quantiles of the reference data, so window counts in the same bins can be compared with an
exact count behind each. Not a KLL sketch, for two measured reasons: datasketches' KLL is random (two runs over the
same data differ, and a bundle must be equal byte for byte), and at 5 KB a column its rank error of 0.7 % is half the
Kolmogorov-Smirnov threshold for 10,000 rows, which would turn into false alarms. A window sketch here has no rank
error at the bin edges, costs one sorted search a value (0.04 s per million), and merges by addition.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

MAX_BINS = 64
MAX_CATEGORIES = 100
MAX_NAME = 32
_MIN_ROWS_PER_BIN = 5
_DISCRETE = 12
_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberSketch:
    """Counts between `edges`: bin i holds edges[i-1] < value <= edges[i].

    The first bin is what lies below everything in the reference data, the last one what lies above, so both are empty
    in a reference. `is_discrete`: the reference holds so few distinct values that each has its own bin. `missing`
    counts NaN and infinities. `is_whole`: the reference holds whole numbers only; `odd` counts the values that are not.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    missing: int = 0
    mean: float = 0.0
    squares: float = 0.0
    is_discrete: bool = False
    is_whole: bool = False
    odd: int = 0

    @classmethod
    def of_reference(cls, values: NDArray[Any]) -> Self:
        """A sketch with bins made for these values, and their counts."""
        ordered = np.sort(values[np.isfinite(values)]).astype(np.float64)
        distinct = ordered[np.flatnonzero(np.diff(ordered, prepend=-np.inf))] if len(ordered) else ordered
        is_discrete = len(distinct) <= _DISCRETE
        bins = max(2, min(MAX_BINS, len(ordered) // _MIN_ROWS_PER_BIN))
        inner = distinct if is_discrete else np.unique(ordered[np.linspace(0, len(ordered) - 1, bins + 1).astype(int)])
        with np.errstate(over="ignore"):
            below = np.maximum(np.nextafter(inner[:1], -np.inf), -_LARGEST)
        edges = np.concatenate([below, inner])
        places = np.searchsorted(ordered, edges, side="right")
        counts = np.diff(places, prepend=0, append=len(ordered))
        mean, squares = _moments(ordered)
        return cls(
            edges=tuple(edges.tolist()),
            counts=tuple(counts.tolist()),
            missing=len(values) - len(ordered),
            mean=mean,
            squares=squares,
            is_discrete=is_discrete,
            is_whole=bool(len(ordered)) and not _fractional(ordered),
        )

    def empty(self) -> Self:
        """The same bins, nothing in them."""
        return replace(self, counts=(0,) * len(self.counts), missing=0, mean=0.0, squares=0.0, odd=0)

    def with_values(self, values: NDArray[Any]) -> Self:
        """This sketch and these values, (n,) float."""
        finite = values[np.isfinite(values)].astype(np.float64)
        places = np.searchsorted(np.asarray(self.edges), finite, side="left")
        mean, squares = _moments(finite)
        added = replace(
            self,
            counts=tuple(np.bincount(places, minlength=len(self.counts)).tolist()),
            missing=len(values) - len(finite),
            mean=mean,
            squares=squares,
            odd=_fractional(finite) if self.is_whole else 0,
        )
        return self.merged(added)

    def merged(self, other: Self) -> Self:
        """Both together; they must have the same bins (moments by Chan's formula)."""
        own, others = self.count, other.count
        total = max(1, own + others)
        gap = other.mean - self.mean
        return replace(
            self,
            counts=tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)),
            missing=self.missing + other.missing,
            mean=self.mean + gap * others / total,
            squares=self.squares + other.squares + gap * gap * own * others / total,
            odd=self.odd + other.odd,
        )

    @property
    def count(self) -> int:
        """Values that are there."""
        return sum(self.counts)

    @property
    def deviation(self) -> float:
        """Standard deviation of the values."""
        return float(np.sqrt(self.squares / self.count)) if self.count else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CategorySketch:
    """Exact counts of the known categories; all others count as `other`. Long names are shortened (`category_name`).

    `is_complete`: the reference data held no category beyond the known ones, so that `other` in a window means new.
    `new` names some of them with their counts. `is_numeric`: every value of the reference reads as a number; `odd`
    counts the values that do not.
    """

    counts: dict[str, int]
    other: int = 0
    missing: int = 0
    is_complete: bool = True
    new: dict[str, int]
    is_numeric: bool = False
    odd: int = 0

    @classmethod
    def of_reference(cls, values: NDArray[Any]) -> Self:
        """The most frequent categories of these values; ties go by name, so that equal data give equal sketches."""
        counted = _counted(values)
        counted.pop("", None)
        ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
        known = dict.fromkeys((name for name, _ in ranked[:MAX_CATEGORIES]), 0)
        is_numeric = bool(counted) and all(map(_reads_as_number, counted))
        bare = cls(counts=known, is_complete=len(ranked) <= MAX_CATEGORIES, new={}, is_numeric=is_numeric)
        return replace(bare.with_values(values), new={})

    def empty(self) -> Self:
        """The same categories, none seen."""
        return replace(self, counts=dict.fromkeys(self.counts, 0), other=0, missing=0, new={}, odd=0)

    def with_values(self, values: NDArray[Any]) -> Self:
        """This sketch and these values, (n,) object array of str."""
        counted = _counted(values)
        missing = counted.pop("", 0)
        others = {name: count for name, count in counted.items() if name not in self.counts}
        odd = sum(count for name, count in others.items() if not _reads_as_number(name)) if self.is_numeric else 0
        return replace(
            self,
            counts={name: count + counted.get(name, 0) for name, count in self.counts.items()},
            other=self.other + sum(others.values()),
            missing=self.missing + missing,
            new=_most_frequent(Counter(self.new) + Counter(others)),
            odd=self.odd + odd,
        )

    def merged(self, other: Self) -> Self:
        """Both together; they must know the same categories."""
        return replace(
            self,
            counts={name: count + other.counts[name] for name, count in self.counts.items()},
            other=self.other + other.other,
            missing=self.missing + other.missing,
            new=_most_frequent(Counter(self.new) + Counter(other.new)),
            odd=self.odd + other.odd,
        )

    @property
    def count(self) -> int:
        """Values that are there."""
        return sum(self.counts.values()) + self.other


Sketch = NumberSketch | CategorySketch


def category_name(value: object) -> str:
    """The category's text; of a long one the beginning and a digest, so that sketches stay small and names differ."""
    text = str(value)
    if len(text) <= MAX_NAME:
        return text
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=4).hexdigest()
    return f"{text[: MAX_NAME - 9]}~{digest}"


def _counted(values: NDArray[Any]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for value, count in Counter(values.tolist()).items():
        counted[category_name(value)] += count
    return counted


def _fractional(values: NDArray[np.float64]) -> int:
    return int(np.count_nonzero(values != np.floor(values)))


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _moments(values: NDArray[Any]) -> tuple[float, float]:
    """Mean and sum of squared distances from it, in double precision."""
    if not len(values):
        return 0.0, 0.0
    with np.errstate(over="ignore"):  # JSON knows no infinity
        mean = min(max(float(values.mean()), -_LARGEST), _LARGEST)
        return mean, min(float(np.square(values - mean).sum()), _LARGEST)


def _most_frequent(counted: Counter[str], limit: int = 20) -> dict[str, int]:
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:limit])
