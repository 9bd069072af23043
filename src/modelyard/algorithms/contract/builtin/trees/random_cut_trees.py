"""Trees of random cuts, and the score that they give a point, as an ONNX graph.

A node cuts the box around its points at a random place, a side being the likelier the longer it is. How likely the next
random cut would part a new point from the box says how far it is out: its score is what it would displace, over all
depths at which it could be parted from the others.

Source: Guha et al., "Robust Random Cut Forest Based Anomaly Detection on Streams", ICML 2016, sections 2 and 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.contract.builtin.graphs import INPUT
from modelyard.algorithms.graph import Graph

_DEEPEST = 32
"""What is not told apart at this depth stays together: a graph has as many steps as its deepest tree."""


@dataclass(slots=True)
class Forest:
    """Nodes of all trees, one behind the other.

    Attributes:
        roots: (trees,) indices of nodes.
        low, high: (nodes, d) the box around a node's points.
        dimension, cut: where it is cut; the left child has what is not above.
        left, right: children; a leaf is its own.
        parted: score of a point that is parted from a node's box.
        within: score of a point inside the box of a leaf; 0 for other nodes.
        levels: of the deepest tree.
    """

    roots: list[int] = field(default_factory=list)
    low: list[NDArray[np.float32]] = field(default_factory=list)
    high: list[NDArray[np.float32]] = field(default_factory=list)
    dimension: list[int] = field(default_factory=list)
    cut: list[float] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    parted: list[float] = field(default_factory=list)
    within: list[float] = field(default_factory=list)
    levels: int = 0

    def add(self, points: NDArray[np.float32], depth: int, size: int) -> int:
        """A leaf around these points, of a tree of `size` points; its index."""
        index = len(self.cut)
        self.low.append(points.min(axis=0))
        self.high.append(points.max(axis=0))
        self.dimension.append(0)
        self.cut.append(0.0)
        self.left.append(index)
        self.right.append(index)
        unit = np.log2(size + 1)  # makes scores of trees of different sizes comparable
        mass = len(points)
        self.parted.append(unit / (depth + 1))
        self.within.append(unit * (1 - mass / (2 * size)) / (depth + np.log2(mass + 1)))
        self.levels = max(self.levels, depth + 1)
        return index


def grow(samples: Sequence[NDArray[np.float32]], generator: np.random.Generator) -> Forest:
    """A tree for each sample (m, d)."""
    forest = Forest()
    for sample in samples:
        forest.roots.append(forest.add(sample, 0, len(sample)))
        waiting = [(forest.roots[-1], sample, 0)]
        while waiting:
            index, points, depth = waiting.pop()
            waiting.extend(_split(forest, index, points, depth, len(sample), generator))
    return forest


def _split(
    forest: Forest,
    index: int,
    points: NDArray[np.float32],
    depth: int,
    size: int,
    generator: np.random.Generator,
) -> list[tuple[int, NDArray[np.float32], int]]:
    """Cut a node, if its points differ; its children."""
    low, high = forest.low[index], forest.high[index]
    ends = np.cumsum(high.astype(np.float64) - low)  # the sides, put one behind the other
    if not ends[-1] or depth + 1 >= _DEEPEST:
        return []
    dimension = int(np.searchsorted(ends, generator.random() * ends[-1], side="right"))
    cut = np.float32(generator.uniform(low[dimension], high[dimension]))
    is_left = points[:, dimension] <= cut
    if is_left.all():  # rounded up to the upper end
        cut, is_left = low[dimension], points[:, dimension] <= low[dimension]
    forest.dimension[index], forest.cut[index], forest.within[index] = dimension, float(cut), 0.0
    children = [(forest.add(part, depth + 1, size), part, depth + 1) for part in (points[is_left], points[~is_left])]
    forest.left[index], forest.right[index] = children[0][0], children[1][0]
    return children


class _Nodes:
    """What the graph knows of the nodes at which the rows are: all tensors are (n, trees)."""

    def __init__(self, graph: Graph, forest: Forest) -> None:
        low, high = np.stack(forest.low), np.stack(forest.high)
        self._graph = graph
        self._tables = {
            "low": graph.constant(low),
            "high": graph.constant(high),
            "size": graph.constant((high - low).sum(axis=1)),
            "dimension": graph.constant(np.array(forest.dimension, dtype=np.int64)),
            "cut": graph.constant(np.array(forest.cut, dtype=np.float32)),
            "left": graph.constant(np.array(forest.left, dtype=np.int64)),
            "right": graph.constant(np.array(forest.right, dtype=np.int64)),
            "parted": graph.constant(np.array(forest.parted, dtype=np.float32)),
            "within": graph.constant(np.array(forest.within, dtype=np.float32)),
        }

    def of(self, name: str, nodes: str) -> str:
        """A table's entries at these nodes."""
        return self._graph.add("Gather", self._tables[name], nodes, axis=0)


def graph_of(forest: Forest, output: str) -> Graph:
    """The mean score of all trees, for rows of INPUT (n, d)."""
    graph = Graph()
    tables = _Nodes(graph, forest)
    one, tiny = graph.constant(np.float32(1)), graph.constant(np.float32(np.finfo(np.float32).tiny))
    rows = graph.add("Gather", graph.add("Shape", INPUT), graph.constant(np.array([0], dtype=np.int64)), axis=0)
    trees = graph.constant(np.array([len(forest.roots)], dtype=np.int64))
    nodes = graph.add("Expand", graph.constant(np.array(forest.roots)), graph.add("Concat", rows, trees, axis=0))
    wide = graph.add("Unsqueeze", INPUT, graph.constant(np.array([1], dtype=np.int64)))
    share, total = one, ""
    for _ in range(forest.levels):
        outside = _outside(graph, wide, tables.of("low", nodes), tables.of("high", nodes))
        whole = graph.add("Max", graph.add("Add", outside, tables.of("size", nodes)), tiny)
        likelihood = graph.add("Div", outside, whole)
        stays = graph.add("Sub", one, likelihood)
        inside = graph.add("Mul", stays, tables.of("within", nodes))
        here = graph.add("Add", graph.add("Mul", likelihood, tables.of("parted", nodes)), inside)
        part = graph.add("Mul", share, here)
        total = graph.add("Add", total, part) if total else part
        left, right = tables.of("left", nodes), tables.of("right", nodes)
        goes_on = graph.add("Cast", graph.add("Not", graph.add("Equal", left, right)), to=1)
        share = graph.add("Mul", graph.add("Mul", share, stays), goes_on)
        values = graph.add("GatherElements", INPUT, tables.of("dimension", nodes), axis=1)
        is_left = graph.add("LessOrEqual", values, tables.of("cut", nodes))
        nodes = graph.add("Where", is_left, left, right)
    graph.add("ReduceMean", total, output=output, axes=[1], keepdims=0)
    return graph


def _outside(graph: Graph, rows: str, low: str, high: str) -> str:
    """(n, trees): how much the boxes (n, trees, d) would have to grow to take in the rows (n, 1, d)."""
    below = graph.add("Relu", graph.add("Sub", low, rows))
    above = graph.add("Relu", graph.add("Sub", rows, high))
    axes = graph.constant(np.array([2], dtype=np.int64))
    return graph.add("ReduceSum", graph.add("Add", below, above), axes, keepdims=0)
