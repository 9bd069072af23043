"""Rows that occur again: a retry storm or a stuck client looks like drift, and has to be named for what it is."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from modelyard.drift.features import Tensors

_SIZES = (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
_SEED = 20240501
_LIMIT = 1 << 16
_EVERYTHING = 1 << 64


@dataclass(frozen=True, slots=True)
class RepeatSketch:
    """How often rows occur: the distinct row hashes below `threshold`, at most 65,536 of them, with their counts.

    All copies of a row are in or out together, so the repeated share among what is kept estimates that of all rows,
    and the memory does not grow with the traffic.
    """

    hashes: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    threshold: int = _EVERYTHING

    def with_hashes(self, hashes: NDArray[np.uint64]) -> Self:
        """This sketch and these rows, one hash each."""
        return self.merged(type(self)(hashes, np.ones(len(hashes), dtype=np.int64)))

    def merged(self, other: Self) -> Self:
        """Both together."""
        hashes = np.concatenate([self.hashes, other.hashes])
        counts = np.concatenate([self.counts, other.counts])
        distinct, places = np.unique(hashes, return_inverse=True)
        sums = np.zeros(len(distinct), dtype=np.int64)
        np.add.at(sums, places, counts)
        threshold = min(self.threshold, other.threshold)
        kept = np.searchsorted(distinct, np.uint64(min(threshold, _EVERYTHING - 1)))
        while kept > _LIMIT:
            threshold //= 2
            kept = np.searchsorted(distinct, np.uint64(threshold))
        if threshold == _EVERYTHING:
            return type(self)(distinct, sums)
        return type(self)(distinct[:kept], sums[:kept], threshold)

    @property
    def rows(self) -> int:
        """Rows behind the kept hashes."""
        return int(self.counts.sum())

    @property
    def share(self) -> float:
        """Share of the rows that repeat an earlier row."""
        return 1.0 - len(self.hashes) / self.rows if len(self.hashes) else 0.0


def row_hashes(tensors: Tensors) -> NDArray[np.uint64]:
    """A 64-bit hash of each row over all tensors, (n,) uint64: equal rows have equal hashes."""
    hashes = np.zeros(0, dtype=np.uint64)
    for name in sorted(tensors):
        part = _multilinear(_words(np.asarray(tensors[name])))
        with np.errstate(over="ignore"):
            hashes = part if not len(hashes) else (hashes * np.uint64(0x9E3779B97F4A7C15)) ^ part
    return hashes


def repeated_share(hashes: NDArray[np.uint64]) -> float:
    """Share of the rows that repeat an earlier row."""
    return 1.0 - len(np.unique(hashes)) / len(hashes) if len(hashes) else 0.0


def repeat_curve(hashes: NDArray[np.uint64]) -> tuple[tuple[int, float], ...]:
    """(sample size, repeated share) of random samples: among more rows more repeat, so a window needs its own size."""
    shuffled = np.random.default_rng(_SEED).permutation(hashes)
    sizes = [size for size in _SIZES if size < len(hashes)] + [len(hashes)]
    return tuple((size, round(repeated_share(shuffled[:size]), 6)) for size in sizes)


def expected_share(curve: Sequence[tuple[int, float]], rows: int) -> float:
    """The reference's repeated share for a window of `rows` rows, from the next larger sample."""
    return next((share for size, share in curve if size >= rows), curve[-1][1] if curve else 0.0)


def _words(tensor: NDArray[Any]) -> NDArray[np.uint64]:
    """Each row as 64-bit words, (n, words)."""
    table = tensor.reshape(len(tensor), -1)
    if table.dtype == object or table.dtype.kind in "US":
        codes = {text: _text_code(text) for text in set(map(str, table.ravel().tolist()))}
        flat = [codes[str(text)] for text in table.ravel().tolist()]
        return np.array(flat, dtype=np.uint64).reshape(table.shape)
    data = np.ascontiguousarray(table).view(np.uint8).reshape(len(table), -1)
    padded = np.pad(data, ((0, 0), (0, -data.shape[1] % 8)))
    return padded.view(np.uint64)


def _multilinear(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Sum of word * random odd factor, then mixed: rows that differ in one word never collide."""
    factors = np.random.default_rng(_SEED).integers(0, 2**63, size=words.shape[1], dtype=np.uint64)
    with np.errstate(over="ignore"):
        mixed: NDArray[np.uint64] = (words * (factors * np.uint64(2) + np.uint64(1))).sum(axis=1, dtype=np.uint64)
        mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    return mixed ^ (mixed >> np.uint64(32))


def _text_code(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
