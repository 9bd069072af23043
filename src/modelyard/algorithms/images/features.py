"""What a network sees of an image: scaled pixels, and how strongly edges of four directions show around each spot.

The same arithmetic twice: in NumPy for training, as ONNX nodes for serving; parity is checked by every training.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.graph import Graph

MAX_SIDE = 32
"""Larger images are averaged down to at most this many pixels a side."""

_MIN_EDGE_SIDE = 4
_GREY_RANK = 2
_EDGES = (
    np.array(
        [
            [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
            [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
            [[0, 1, 2], [-1, 0, 1], [-2, -1, 0]],
            [[2, 1, 0], [1, 0, -1], [0, -1, -2]],
        ],
        dtype=np.float32,
    )
    / 4
)
"""Sobel's operator in four directions (4, 3, 3)."""

Images = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """From raw images to (n, channels, height, width) float32 near 0 to 1.

    Attributes:
        shape: of one raw image: (height, width) or (height, width, channels).
        low: pixel value that becomes 0.
        high: pixel value that becomes 1.
    """

    shape: tuple[int, ...]
    low: float
    high: float

    # Pixels far outside the training range say nothing new; clipping keeps them from drowning the rest.
    LOWEST: ClassVar[float] = -0.5
    HIGHEST: ClassVar[float] = 1.5

    @property
    def pool(self) -> int:
        """Side of the squares that are averaged to one pixel."""
        return -(-max(self.shape[:2]) // MAX_SIDE)

    @property
    def scaled_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) after scaling."""
        channels = 1 if len(self.shape) == _GREY_RANK else self.shape[2]
        return channels, max(1, self.shape[0] // self.pool), max(1, self.shape[1] // self.pool)

    def apply(self, images: Images) -> Images:
        """Scale raw images (n, *shape)."""
        planes = images[:, None] if len(self.shape) == _GREY_RANK else images.transpose(0, 3, 1, 2)
        scale = np.float32(1 / (self.high - self.low))
        planes = np.clip((planes - np.float32(self.low)) * scale, self.LOWEST, self.HIGHEST).astype(np.float32)
        return planes if self.pool == 1 else mean_pool(planes, *self._pool_sides)

    def nodes(self, graph: Graph, images: str) -> str:
        """The same as ONNX nodes."""
        if len(self.shape) == _GREY_RANK:
            planes = graph.add("Reshape", images, graph.constant(np.array([-1, 1, *self.shape])))
        else:
            planes = graph.add("Transpose", images, perm=[0, 3, 1, 2])
        planes = graph.add("Sub", planes, graph.constant(self.low))
        planes = graph.add("Mul", planes, graph.constant(np.float32(1 / (self.high - self.low))))
        planes = graph.add("Clip", planes, graph.constant(self.LOWEST), graph.constant(self.HIGHEST))
        if self.pool == 1:
            return planes
        return graph.add("AveragePool", planes, kernel_shape=self._pool_sides, strides=self._pool_sides)

    @property
    def _pool_sides(self) -> tuple[int, int]:
        return min(self.pool, self.shape[0]), min(self.pool, self.shape[1])


def scaling_of(images: Images) -> Scaling:
    """The scaling that training images (n, h, w[, c]) suggest: their lowest and highest pixel."""
    low, high = float(images.min()), float(images.max())
    return Scaling(shape=images.shape[1:], low=low, high=high if high > low else low + 1.0)


def features(planes: Images) -> Images:
    """Pixels and edge strengths of scaled images: (n, f) float32."""
    flat = planes.reshape(len(planes), -1)
    if not _has_edges(planes.shape):
        return flat
    return np.concatenate([flat, mean_pool(_edges(planes), 2, 2).reshape(len(planes), -1)], axis=1)


def feature_nodes(graph: Graph, planes: str, scaled_shape: tuple[int, int, int]) -> str:
    """The same as ONNX nodes."""
    flat = graph.add("Flatten", planes, axis=1)
    if not _has_edges((0, *scaled_shape)):
        return flat
    channels = scaled_shape[0]
    kernels = np.concatenate([_EDGES, -_EDGES])[:, None]
    weights = graph.constant(np.tile(kernels, (channels, 1, 1, 1)))
    maps = graph.add("Conv", planes, weights, group=channels, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    strengths = graph.add("AveragePool", graph.add("Relu", maps), kernel_shape=[2, 2], strides=[2, 2])
    return graph.add("Concat", flat, graph.add("Flatten", strengths, axis=1), axis=1)


def mean_pool(planes: Images, rows: int, columns: int) -> Images:
    """Means of rectangles; what does not fill a rectangle at the right and lower border is left out."""
    count, channels, height, width = planes.shape
    height, width = height // rows, width // columns
    blocks = planes[:, :, : height * rows, : width * columns].reshape(count, channels, height, rows, width, columns)
    means: Images = blocks.mean(axis=(3, 5), dtype=np.float32)
    return means


def _edges(planes: Images) -> Images:
    """Positive and negative edge strength per channel and direction: (n, channels * 8, h, w)."""
    height, width = planes.shape[2:]
    padded = np.pad(planes, ((0, 0), (0, 0), (1, 1), (1, 1)))
    maps: Any = sum(
        padded[:, :, None, y : y + height, x : x + width] * _EDGES[:, y, x][:, None, None]
        for y in range(3)
        for x in range(3)
    )
    both = np.concatenate([maps, -maps], axis=2)
    strengths: Images = np.maximum(both, 0).reshape(len(planes), -1, height, width)
    return strengths


def _has_edges(shape: tuple[int, ...]) -> bool:
    return min(shape[2:]) >= _MIN_EDGE_SIDE
