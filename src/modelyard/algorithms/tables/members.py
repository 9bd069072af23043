"""The table algorithms by name as parts of something larger: all on the same features, whatever scale they need."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from modelyard.algorithms.base import TrainingContext
from modelyard.algorithms.boosted_trees import BoostedTreesClassification, BoostedTreesRegression
from modelyard.algorithms.forests import ForestClassification, ForestRegression
from modelyard.algorithms.kernel_models import KernelClassification, KernelRegression
from modelyard.algorithms.linear_models import LinearClassification, LinearRegression
from modelyard.algorithms.tables.forests import FOREST
from modelyard.algorithms.tables.kernels import KERNEL_LOGISTIC, KERNEL_RIDGE
from modelyard.algorithms.tables.linear import LINEAR, LOGISTIC
from modelyard.algorithms.tables.models import Learner, Model, Problem
from modelyard.algorithms.tables.scaling import fit_scaled
from modelyard.algorithms.tables.trees import boosted_trees
from modelyard.types.jobs import AlgorithmDescription
from modelyard.types.signatures import Scalar

Given = Mapping[str, Scalar]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """An algorithm that can be a member."""

    description: AlgorithmDescription
    learner: Callable[[Given], Learner]


def _always(learner: Learner) -> Callable[[Given], Learner]:
    return lambda _given: learner


CLASSIFIERS = {
    each.description.name: each
    for each in (
        Kind(description=BoostedTreesClassification.description, learner=boosted_trees),
        Kind(description=ForestClassification.description, learner=_always(FOREST)),
        Kind(description=LinearClassification.description, learner=_always(LOGISTIC)),
        Kind(description=KernelClassification.description, learner=_always(KERNEL_LOGISTIC)),
    )
}
REGRESSORS = {
    each.description.name: each
    for each in (
        Kind(description=BoostedTreesRegression.description, learner=boosted_trees),
        Kind(description=ForestRegression.description, learner=_always(FOREST)),
        Kind(description=LinearRegression.description, learner=_always(LINEAR)),
        Kind(description=KernelRegression.description, learner=_always(KERNEL_RIDGE)),
    )
}


def fit_member(kind: Kind, problem: Problem, given: Given, context: TrainingContext) -> Model:
    """Fit to a problem whose numbers are not scaled; without early stopping its validation rows train too."""
    learner = kind.learner(given)
    if not learner.has_validation:
        problem = _without_validation(problem)
    return (
        fit_scaled(learner.fit, problem, given, context) if learner.is_scaled else learner.fit(problem, given, context)
    )


def _without_validation(problem: Problem) -> Problem:
    count = len(problem.validation_target)
    if not count:
        return problem
    return replace(
        problem,
        features=np.concatenate([problem.features, problem.validation_features]),
        target=np.concatenate([problem.target, problem.validation_target]),
        weights=np.concatenate([problem.weights, np.ones(count, dtype=np.float32)]),
        validation_features=problem.validation_features[:0],
        validation_target=problem.validation_target[:0],
    )
