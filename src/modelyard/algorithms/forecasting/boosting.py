"""Boosted trees over all steps of the horizon at once: the step is a feature, beside the past as seen from it.

The trees may learn what differs from the same time of the last season: they cannot answer beyond what they have seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.base import TrainingContext
from modelyard.algorithms.forecasting.forecasters import LinearMap
from modelyard.algorithms.forecasting.naive import seasonal_naive
from modelyard.algorithms.forecasting.units import Values, as_doubles, as_floats, doubles
from modelyard.algorithms.graph import Graph
from modelyard.algorithms.tables.models import Problem
from modelyard.algorithms.tables.trees import Trees, fit_trees
from modelyard.types.signatures import Scalar

_MOST_ROWS = 100_000
_VALIDATION_SHARE = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """What the trees see of a window for each step: the last `context` values, and the same time of earlier seasons."""

    window: int
    horizon: int
    context: int
    seasons: tuple[int, ...]

    @property
    def places(self) -> NDArray[np.int64]:
        """(horizon, features): which value of the window each feature is; of the last one, the step, any."""
        recent = [*range(self.window - self.context, self.window)]
        rows = []
        for step in range(self.horizon):
            same = [
                self.window - back * season + step % season
                for season in self.seasons
                for back in range(1, self.window // season + 1)
            ]
            rows.append([*recent, *same, 0])
        return np.array(rows, dtype=np.int64)

    def features(self, units: Values) -> NDArray[np.float32]:
        """(n * horizon, features), the steps of a window one after another."""
        found = units[:, self.places].astype(np.float32)
        found[:, :, -1] = np.arange(self.horizon)
        return found.reshape(-1, found.shape[2])

    def nodes(self, graph: Graph, units: str) -> str:
        """The same as ONNX nodes."""
        places = self.places
        width = places.shape[1]
        flat = graph.add("Gather", units, graph.constant(places.reshape(-1)), axis=1)
        shaped = graph.add("Reshape", flat, graph.constant(np.array([-1, self.horizon, width])))
        is_value, steps = np.ones(width), np.zeros((self.horizon, width))
        is_value[-1], steps[:, -1] = 0, np.arange(self.horizon)
        filled = graph.add("Add", graph.add("Mul", shaped, doubles(graph, is_value)), doubles(graph, steps))
        rows = graph.add("Reshape", filled, graph.constant(np.array([-1, width])))
        return as_floats(graph, rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoostedSteps:
    """A Core: trees on top of a first forecast."""

    steps: Steps
    trees: Trees
    first: LinearMap

    def answers(self, units: Values) -> Values:
        """See Core."""
        more = self.trees.scores(self.steps.features(units)).reshape(len(units), self.steps.horizon)
        return np.asarray(self.first.answers(units) + more)

    def nodes(self, graph: Graph, units: str) -> str:
        """See Core."""
        rows = self.trees.nodes(graph, self.steps.nodes(graph, units))
        more = graph.add("Reshape", rows, graph.constant(np.array([-1, self.steps.horizon])))
        return graph.add("Add", self.first.nodes(graph, units), as_doubles(graph, more))


def fit_boosting(
    steps: Steps,
    times: NDArray[np.int64],
    units: Values,
    targets: Values,
    given: Mapping[str, Scalar],
    context: TrainingContext,
) -> BoostedSteps:
    """Fit to (n, window) and (n, horizon) in units; early stopping is steered by the latest.

    Args:
        steps: what the trees see.
        times: (n,) when each future begins, in order.
        units: what is known.
        targets: what is to be said.
        given: hyper-parameters.
        context: of the job.
    """
    window, horizon = steps.window, steps.horizon
    first = seasonal_naive(window, horizon, min(steps.seasons, default=1))
    if not given["differences"]:
        first = LinearMap(np.zeros((window, horizon)), np.zeros(horizon))
    chosen = np.unique(np.linspace(0, len(units) - 1, max(2, _MOST_ROWS // horizon)).astype(int))
    pasts, left = units[chosen], (targets - first.answers(units))[chosen]
    whole: NDArray[np.int64] = np.arange(len(pasts))
    is_stopped = bool(given["early_stopping_rounds"])
    learnt, held = stopping_parts(times[chosen], horizon) if is_stopped else (whole, whole[:0])
    problem = Problem(
        features=steps.features(pasts[learnt]),
        target=left[learnt].reshape(-1),
        weights=np.ones(len(learnt) * horizon, dtype=np.float32),
        classes=0,
        validation_features=steps.features(pasts[held]),
        validation_target=left[held].reshape(-1),
        numeric=steps.places.shape[1],
    )
    return BoostedSteps(steps=steps, trees=fit_trees(problem, given, context), first=first)


def stopping_parts(times: NDArray[np.int64], horizon: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Windows to learn from, and the latest to stop by: of no series does one say what another one is stopped by.

    The first point in time is always learnt from.
    """
    first = max(times[int(len(times) * (1 - _VALIDATION_SHARE))], times[0] + 1)
    is_learnt = (times + horizon <= first) | (times == times[0])
    return np.flatnonzero(is_learnt), np.flatnonzero(times >= first)
