"""What maps the past of a series to its next values, in NumPy and as ONNX nodes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from modelyard.algorithms.forecasting.units import Units, Values, as_doubles, as_floats, doubles, floats
from modelyard.algorithms.graph import Graph
from modelyard.types.serving.forecasts import LEVELS, MEAN, QUANTILES, SERIES, forecast_signature

_TINY = 2.0**-20
_MOST_LOG = 10.0
"""A logarithm goes no further from the recent level than this: 22,000 times as much."""


class Core(Protocol):
    """Forecasts in units: (n, window) -> (n, horizon)."""

    def answers(self, units: Values) -> Values:
        """In NumPy, or by the library that fitted it."""

    def nodes(self, graph: Graph, units: str) -> str:
        """The same as ONNX nodes, float64."""


class Forecaster(Protocol):
    """Forecasts: (n, window) -> (n, horizon), both in the units of the data."""

    def answers(self, pasts: Values) -> Values:
        """In NumPy, or by the libraries that fitted it."""

    def nodes(self, graph: Graph, past: str) -> str:
        """The same as ONNX nodes, float64."""


@dataclass(frozen=True, slots=True)
class LinearMap:
    """A Core: `units @ weights + bias`, (window, horizon) and (horizon,)."""

    weights: Values
    bias: Values

    def answers(self, units: Values) -> Values:
        """See Core."""
        return np.asarray(units @ floats(self.weights) + floats(self.bias))

    def nodes(self, graph: Graph, units: str) -> str:
        """See Core."""
        return graph.add("Gemm", units, doubles(graph, self.weights), doubles(graph, self.bias))


@dataclass(frozen=True, slots=True)
class Scaled:
    """A Forecaster: a core in units, of the values themselves or of their logarithms."""

    units: Units
    core: Core
    is_log: bool = False

    def answers(self, pasts: Values) -> Values:
        """See Forecaster."""
        plain = logarithms(pasts) if self.is_log else pasts
        level, spread = self.units.of(plain)
        found = self.core.answers((plain - level) / spread) * spread + level
        return np.exp(np.clip(found, level - _MOST_LOG, level + _MOST_LOG)) if self.is_log else np.asarray(found)

    def nodes(self, graph: Graph, past: str) -> str:
        """See Forecaster."""
        if self.is_log:
            past = graph.add("Log", graph.add("Max", past, doubles(graph, _TINY)))
        level, spread = self.units.nodes(graph, past)
        units = graph.add("Div", graph.add("Sub", past, level), spread)
        found = graph.add("Add", graph.add("Mul", self.core.nodes(graph, units), spread), level)
        if not self.is_log:
            return found
        low = graph.add("Sub", level, doubles(graph, _MOST_LOG))
        high = graph.add("Add", level, doubles(graph, _MOST_LOG))
        return graph.add("Exp", graph.add("Min", graph.add("Max", found, low), high))


@dataclass(frozen=True, slots=True)
class Blend:
    """A Forecaster: several, weighted; the weights sum to 1."""

    members: Sequence[Forecaster]
    weights: Sequence[float]

    def answers(self, pasts: Values) -> Values:
        """See Forecaster."""
        parts = zip(self.members, self.weights, strict=True)
        return np.asarray(sum(member.answers(pasts) * np.float64(np.float32(weight)) for member, weight in parts))

    def nodes(self, graph: Graph, past: str) -> str:
        """See Forecaster."""
        parts = [
            graph.add("Mul", member.nodes(graph, past), doubles(graph, weight))
            for member, weight in zip(self.members, self.weights, strict=True)
        ]
        found = parts[0]
        for part in parts[1:]:
            found = graph.add("Add", found, part)
        return found


@dataclass(frozen=True, slots=True)
class Forecasts:
    """A forecaster with the quantiles of its errors (levels, horizon), in units of each past's recent spread."""

    units: Units
    forecaster: Forecaster
    errors: Values

    def answers(self, pasts: Values) -> tuple[Values, Values]:
        """(n, horizon) and (n, levels, horizon)."""
        mean, (_, spread) = self.forecaster.answers(pasts), self.units.of(pasts)
        return mean, mean[:, None] + floats(self.errors)[None] * spread[:, :, None]

    def artifact(self) -> bytes:
        """The ONNX file, with the signature of `types/serving/forecasts.py`."""
        graph = Graph()
        past = as_doubles(graph, SERIES)
        mean = self.forecaster.nodes(graph, past)
        _, spread = self.units.nodes(graph, past)
        as_floats(graph, mean, output=MEAN)
        middle = graph.constant(np.array([1]))
        reach = graph.add("Mul", doubles(graph, self.errors[None]), graph.add("Unsqueeze", spread, middle))
        as_floats(graph, graph.add("Add", graph.add("Unsqueeze", mean, middle), reach), output=QUANTILES)
        return graph.to_bytes(forecast_signature(self.units.window, self.errors.shape[1]))


def error_quantiles(units: Units, forecaster: Forecaster, pasts: Values, futures: Values) -> Values:
    """(levels, horizon): of the errors on pasts that the forecaster has not seen, in units of their spread.

    Each counts with either sign: a few that happened to have the same one do not push the mean out of its quantiles.
    """
    _, spread = units.of(pasts)
    errors = (futures - forecaster.answers(pasts)) / spread
    return np.asarray(np.quantile(np.concatenate([errors, -errors]), LEVELS, axis=0))


def logarithms(values: Values) -> Values:
    """Of values that are above 0."""
    return np.log(np.maximum(values, _TINY))
