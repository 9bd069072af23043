"""Several models that answer together: mean probabilities of classifiers, mean answers of regressors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.base import TrainingContext
from modelyard.algorithms.errors import HyperparameterInvalidError
from modelyard.algorithms.graph import Graph
from modelyard.algorithms.hyperparameters import complete
from modelyard.algorithms.tables.encoding import Features
from modelyard.algorithms.tables.members import CLASSIFIERS, REGRESSORS, Given, Kind, fit_member
from modelyard.algorithms.tables.models import Learner, Model, Problem
from modelyard.types.signatures import Scalar

_MOST_MEMBERS = 20
_LEAST_SHARE = 1e-9  # a probability of 0 has no logarithm


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """A member as it stands in the hyper-parameter `members`."""

    algorithm: str
    weight: float = 1.0
    hyperparameters: dict[str, Scalar] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member that is complete: `weight` is its share of the answer."""

    kind: Kind
    weight: float
    given: Given


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """Fitted members with their weights, which sum to 1; classes' logits are multiplied by `sharpness`."""

    models: tuple[Model, ...]
    weights: tuple[float, ...]
    classes: int
    sharpness: float

    @property
    def findings(self) -> tuple[str, ...]:
        """See Model."""
        return tuple(finding for model in self.models for finding in model.findings)

    def scores(self, features: Features) -> NDArray[Any]:
        """See Model."""
        answers = [self._answers(model.scores(features)) for model in self.models]
        mean = sum(answer * weight for answer, weight in zip(answers, self.weights, strict=True))
        return self.sharpness * np.log(np.maximum(mean, _LEAST_SHARE)) if self.classes else np.asarray(mean)

    def nodes(self, graph: Graph, features: str) -> str:
        """See Model."""
        parts = []
        for model, weight in zip(self.models, self.weights, strict=True):
            answers = model.nodes(graph, features)
            if self.classes:
                answers = graph.add("Softmax", answers, axis=1)
            parts.append(graph.add("Mul", answers, graph.constant(np.float32(weight))))
        mean = parts[0] if len(parts) == 1 else graph.add("Sum", *parts)
        if not self.classes:
            return mean
        logits = graph.add("Log", graph.add("Max", mean, graph.constant(np.float32(_LEAST_SHARE))))
        return logits if self.sharpness == 1 else graph.add("Mul", logits, graph.constant(np.float32(self.sharpness)))

    def _answers(self, scores: NDArray[Any]) -> NDArray[np.float64]:
        if not self.classes:
            return scores.astype(np.float64)
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True), dtype=np.float64)


def read_members(text: str, *, is_classifier: bool) -> tuple[Member, ...]:
    """The members that the hyper-parameter names, or one of each kind with its defaults.

    Raises:
        HyperparameterInvalidError: it is no list of members, or one of them cannot be fitted.
    """
    kinds = CLASSIFIERS if is_classifier else REGRESSORS
    wanted = wanted_members(text, tuple(kinds))
    total = sum(each.weight for each in wanted)
    return tuple(_member(each, kinds, total) for each in wanted)


def wanted_members(text: str, names: Sequence[str]) -> list[Wanted]:
    """The members that a hyper-parameter names, or one of each of `names`.

    Raises:
        HyperparameterInvalidError: it is no list of members, or one of them is none of `names`.
    """
    try:
        wanted = msgspec.json.decode(text, type=list[Wanted]) if text else [Wanted(algorithm=name) for name in names]
    except msgspec.MsgspecError as error:
        raise _invalid(f"it is no list of members: {error}", names) from error
    if not 1 <= len(wanted) <= _MOST_MEMBERS or not all(each.weight > 0 for each in wanted):
        raise _invalid(f"it names {len(wanted)} members, or a weight that is not above 0", names)
    for each in wanted:
        if each.algorithm not in names:
            raise _invalid(f"'{each.algorithm[:80]}' cannot be a member here", names)
    return wanted


def ensemble(members: Sequence[Member], sharpness: float = 1.0) -> Learner:
    """How they are fitted together."""

    def fit(problem: Problem, _given: Given, context: TrainingContext) -> Ensemble:
        models = tuple(fit_member(each.kind, problem, each.given, context) for each in members)
        weights = tuple(each.weight for each in members)
        return Ensemble(models=models, weights=weights, classes=problem.classes, sharpness=sharpness)

    has_validation = any(each.kind.learner(each.given).has_validation for each in members)
    return Learner(fit=fit, has_validation=has_validation)


def _member(wanted: Wanted, kinds: dict[str, Kind], total: float) -> Member:
    kind = kinds[wanted.algorithm]
    return Member(kind=kind, weight=wanted.weight / total, given=complete(kind.description, wanted.hyperparameters))


def _invalid(reason: str, names: Sequence[str]) -> HyperparameterInvalidError:
    return HyperparameterInvalidError(
        f"Hyper-parameter 'members' cannot be used: {reason}",
        hint=f"Give 1 to {_MOST_MEMBERS} objects with algorithm ({', '.join(names)}), weight and hyperparameters.",
        field="hyperparameters.members",
    )
