"""The data: scikit-learn's 1,797 handwritten digits, and the same as a camera sees them that slipped and got dirty.

Every image plays one part only, so no model is ever judged on an image that it, or a copy of which, it learnt from.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float32]
Labels = NDArray[np.int64]

TRAINING, CLEAN, WORN = 900, 200, 480
SHIFT_PIXELS, NOISE = 1, 1.0
WEAR = f"shifted {SHIFT_PIXELS} pixel to the right, with noise of {NOISE:g} grey level (of 16) on every pixel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Images `(n, 8, 8) float32` with grey levels 0 to 16, and their labels `(n,) int64`."""

    images: Images
    labels: Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Digits:
    """The four parts: to train on, ordinary traffic, traffic after the accident, and traffic after the recovery."""

    training: Part
    clean: Part
    worn: Part
    worn_later: Part


def load_digits(seed: int = 0) -> Digits:
    """Read, shuffle, divide and wear."""
    from sklearn import datasets  # noqa: PLC0415 - takes 2 seconds

    source = datasets.load_digits()
    order = np.random.default_rng(seed).permutation(len(source.target))
    images, labels = source.images[order].astype(np.float32), source.target[order].astype(np.int64)
    ends = np.cumsum([TRAINING, CLEAN, WORN])
    parts = [Part(images=x, labels=y) for x, y in zip(np.split(images, ends), np.split(labels, ends), strict=True)]
    return Digits(
        training=parts[0],
        clean=parts[1],
        worn=Part(images=wear(parts[2].images, seed + 1), labels=parts[2].labels),
        worn_later=Part(images=wear(parts[3].images, seed + 2), labels=parts[3].labels),
    )


def wear(images: Images, seed: int) -> Images:
    """What `WEAR` says, done to `(n, h, w)` images; what leaves the picture on the right is lost."""
    moved = np.zeros_like(images)
    moved[:, :, SHIFT_PIXELS:] = images[:, :, :-SHIFT_PIXELS]
    noise = np.random.default_rng(seed).normal(0.0, NOISE, images.shape)
    return np.clip(moved + noise, 0, 16).astype(np.float32)
