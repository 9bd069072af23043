"""Makes each epoch see the training images a little differently."""

import numpy as np

from modelyard.algorithms.images.features import Images

CHOICES = ("none", "shift", "noise", "shift-noise")
_SHIFT_SHARE = 16
_NOISE = 0.06


def augment(planes: Images, how: str, random: np.random.Generator) -> Images:
    """Scaled images (n, c, h, w), each moved by up to a sixteenth of its side (at least 1), with noise, or both."""
    if "shift" in how:
        planes = _shifted(planes, random)
    if "noise" in how:
        planes = planes + _NOISE * random.standard_normal(planes.shape, dtype=np.float32)
    return planes


def _shifted(planes: Images, random: np.random.Generator) -> Images:
    count, _, height, width = planes.shape
    reach = max(1, min(height, width) // _SHIFT_SHARE)
    padded = np.pad(planes, ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="edge")
    top, left = random.integers(0, 2 * reach + 1, (2, count))
    rows = top[:, None] + np.arange(height)
    columns = left[:, None] + np.arange(width)
    moved = padded[np.arange(count)[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return np.ascontiguousarray(moved.transpose(0, 3, 1, 2))
