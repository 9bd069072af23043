"""A few hundred whole rows of a data set, for what columns by themselves cannot show."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.drift.features import Column
from modelyard.drift.sketches import CategorySketch, Sketch, category_name

REFERENCE_ROWS = 500
WINDOW_ROWS = 2_000
_NEW, MISSING = 254, 255
_SEED = 20_260_101


class RowSample:
    """A uniform random sample of at most `limit` rows, each with all columns. Grows by batches; merges.

    Numbers are float32 (NaN: missing), categories their place in the reference's list (254: another, 255: missing).
    Each row draws a random priority and the smallest ones stay, so that samples of two parts merge by keeping the
    smallest of both. Not thread-safe.
    """

    def __init__(self, sketches: Mapping[str, Sketch], limit: int = WINDOW_ROWS) -> None:
        self._codes = {
            name: codes_of(sketch) for name, sketch in sketches.items() if isinstance(sketch, CategorySketch)
        }
        self._limit = limit
        self._seen = 0
        self._priorities = np.zeros(0)
        self.columns: dict[str, NDArray[Any]] = {}

    @property
    def rows(self) -> int:
        """Rows in the sample."""
        return len(self._priorities)

    def add(self, columns: Sequence[Column], rows: int) -> None:
        """Offer a batch of `rows` rows. Every batch must have the same columns; one that has others is left out."""
        if self.columns and {column.name for column in columns} != set(self.columns):
            return
        priorities = np.random.default_rng((_SEED, self._seen)).random(rows)
        self._seen += rows
        bound = self._priorities.max() if self.rows >= self._limit else np.inf
        chosen = np.flatnonzero(priorities < bound)
        if len(chosen):
            self._take(priorities[chosen], {c.name: encode(c.values[chosen], self._codes.get(c.name)) for c in columns})

    def merge(self, other: "RowSample") -> None:
        """Offer the rows of another sample over the same sketches."""
        if other.rows and (not self.columns or set(other.columns) == set(self.columns)):
            self._take(other._priorities, other.columns)  # noqa: SLF001 - the same class
            self._seen += other._seen  # noqa: SLF001

    def _take(self, priorities: NDArray[np.float64], columns: Mapping[str, NDArray[Any]]) -> None:
        everything = np.concatenate([self._priorities, priorities])
        kept = np.argsort(everything, kind="stable")[: self._limit]
        self._priorities = everything[kept]
        for name, values in columns.items():
            own = self.columns.get(name)
            self.columns[name] = (values if own is None else np.concatenate([own, values]))[kept]


def codes_of(sketch: CategorySketch) -> dict[str, int]:
    """The place of each category in the reference's list."""
    return {category: code for code, category in enumerate(sketch.counts)}


def encode(values: NDArray[Any], codes: Mapping[str, int] | None) -> NDArray[Any]:
    """The values of a column as a sample holds them; `codes`: of a category column."""
    if codes is None:
        with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, which says enough here
            return np.asarray(values).astype(np.float32)
    texts = (category_name(value) for value in values.tolist())
    return np.array([codes.get(text, _NEW) if text else MISSING for text in texts], dtype=np.uint8)


def pack(columns: Mapping[str, NDArray[Any]]) -> dict[str, str]:
    """Sampled columns as text: base64 of little-endian float32, or of bytes for categories."""
    return {name: base64.b64encode(_little(values).tobytes()).decode() for name, values in columns.items()}


def unpack(packed: Mapping[str, str], sketches: Mapping[str, Sketch]) -> dict[str, NDArray[Any]]:
    """The columns that `pack` made text of."""
    return {
        name: np.frombuffer(
            base64.b64decode(text), dtype=np.uint8 if isinstance(sketches.get(name), CategorySketch) else "<f4"
        )
        for name, text in packed.items()
    }


def _little(values: NDArray[Any]) -> NDArray[Any]:
    return values if values.dtype == np.uint8 else values.astype("<f4")
