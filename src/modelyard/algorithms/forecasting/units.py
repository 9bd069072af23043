"""The units that a series is forecast in: its own recent level and spread. In NumPy, and the same as ONNX nodes.

Both compute in float64. In float32 the two would round some values apart, and a tree that asks at such a value would
answer otherwise.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto

from modelyard.algorithms.graph import Graph

Values = NDArray[np.float64]

_LEAST_SPREAD = 2.0**-10  # of a level: a series that hardly moves is not blown up
_TINY = 2.0**-20


@dataclass(frozen=True, slots=True)
class Units:
    """Level and spread are those of the last `recent` of the `window` values."""

    window: int
    recent: int

    def of(self, pasts: Values) -> tuple[Values, Values]:
        """(n, 1) level and spread of each past (n, window)."""
        recent = pasts[:, -self.recent :]
        level = recent.mean(axis=1, keepdims=True)
        spread = np.abs(recent - level).mean(axis=1, keepdims=True)
        return level, np.maximum(spread, _LEAST_SPREAD * np.abs(level) + _TINY)

    def nodes(self, graph: Graph, past: str) -> tuple[str, str]:
        """Names of level and spread; `past` is float64."""
        recent = graph.add("Gather", past, graph.constant(np.arange(self.window - self.recent, self.window)), axis=1)
        level = graph.add("ReduceMean", recent, axes=[1], keepdims=1)
        moves = graph.add("Abs", graph.add("Sub", recent, level))
        least = graph.add("Mul", graph.add("Abs", level), doubles(graph, _LEAST_SPREAD))
        floor = graph.add("Add", least, doubles(graph, _TINY))
        return level, graph.add("Max", graph.add("ReduceMean", moves, axes=[1], keepdims=1), floor)


def doubles(graph: Graph, value: ArrayLike) -> str:
    """A constant of float64 with the precision of float32."""
    return as_doubles(graph, graph.constant(np.asarray(value, dtype=np.float32)))


def as_doubles(graph: Graph, name: str) -> str:
    """A tensor as float64."""
    return graph.add("Cast", name, to=TensorProto.DOUBLE)


def as_floats(graph: Graph, name: str, output: str | None = None) -> str:
    """A tensor as float32."""
    return graph.add("Cast", name, output=output, to=TensorProto.FLOAT)


def floats(values: Values) -> Values:
    """The nearest numbers of float32, as float64: what a graph keeps of them."""
    return values.astype(np.float32).astype(np.float64)
