"""Lets a model that needs a common scale work on features as trees take them: it scales them itself."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.base import TrainingContext
from modelyard.algorithms.graph import Graph
from modelyard.algorithms.tables.encoding import (
    Features,
    Standardisation,
    fit_standardisation,
    standard_nodes,
    standardised,
)
from modelyard.algorithms.tables.models import Fit, Model, Problem
from modelyard.types.signatures import Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """A model over scaled features, as one over plain features (n, width); the first `numeric` are numbers."""

    model: Model
    standardisation: Standardisation
    numeric: int
    width: int

    @property
    def findings(self) -> tuple[str, ...]:
        """See Model."""
        return self.model.findings

    def scores(self, features: Features) -> NDArray[Any]:
        """See Model."""
        return self.model.scores(_scaled(features, self.numeric, self.standardisation))

    def nodes(self, graph: Graph, features: str) -> str:
        """See Model."""
        parts = standard_nodes(graph, self._part(graph, features, 0, self.numeric), self.standardisation)
        if self.numeric < self.width:
            parts.append(self._part(graph, features, self.numeric, self.width))
        joined = parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=1)
        return self.model.nodes(graph, joined)

    def _part(self, graph: Graph, features: str, start: int, end: int) -> str:
        return graph.add("Gather", features, graph.constant(np.arange(start, end)), axis=1)


def fit_scaled(fit: Fit, problem: Problem, given: Mapping[str, Scalar], context: TrainingContext) -> Model:
    """Fit a model that needs a common scale to a problem whose numbers are not scaled."""
    if not problem.numeric:
        return fit(problem, given, context)
    standardisation = fit_standardisation(problem.features[:, : problem.numeric])
    scaled = replace(
        problem,
        features=_scaled(problem.features, problem.numeric, standardisation),
        validation_features=_scaled(problem.validation_features, problem.numeric, standardisation),
    )
    return Scaled(
        model=fit(scaled, given, context),
        standardisation=standardisation,
        numeric=problem.numeric,
        width=problem.features.shape[1],
    )


def _scaled(features: Features, numeric: int, fitted: Standardisation) -> Features:
    return np.concatenate([*standardised(features[:, :numeric], fitted), features[:, numeric:]], axis=1)
