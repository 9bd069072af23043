"""Which candidates answer best together, and how sure of themselves they may be, by their cross-validated answers.

Source: R. Caruana et al., "Ensemble selection from libraries of models", ICML 2004 (with replacement).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from modelyard.algorithms.automl.judging.folds import CrossValidation
from modelyard.algorithms.automl.judging.objectives import LOG_LOSS, Objective

_PICKS = 20
_PATIENCE = 5
_MOST_ROWS = 4000
_LEAST_SHARE = 1e-9
_SHARPNESS = (0.4, 4.0)
MOST_MEMBERS = 5

Answers = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """What was chosen.

    Attributes:
        weights: candidate (by its place) -> weight.
        sharpness: what the logarithms of their mean probabilities are multiplied by; 1.0 unless log loss decides.
        scores: of each fold, by weights and a sharpness that were chosen without it.
    """

    weights: dict[int, float]
    sharpness: float
    scores: tuple[float, ...]


def blend(answers: Sequence[Answers], judges: CrossValidation, seed: int) -> Blend:
    """Choose weights. What is said of a row in one repetition is unseen where the row is judged in another.

    Args:
        answers: (repetitions, n, outputs) of each candidate, best first.
        judges: that they were judged by.
        seed: of the answers that are looked at where there are many.
    """
    objective, target = judges.objective, judges.subject.target
    repetitions, rows = np.nonzero(judges.fold >= 0)
    some = np.sort(np.random.default_rng(seed).permutation(len(rows))[:_MOST_ROWS])
    repetitions, rows = repetitions[some], rows[some]
    stacked = np.stack([each[repetitions, rows] for each in answers]).astype(np.float64)
    scores = []
    for repetition, learnt, judged in judges.splits():
        inside = np.isin(rows, learnt)
        weights = _choose(stacked[:, inside], target[rows[inside]], objective) if inside.any() else _alike(stacked)
        sharpness = _sharpness(_mixed(stacked[:, inside], weights), target[rows[inside]], objective)
        mixed = _mixed(np.stack([each[repetition, judged] for each in answers]).astype(np.float64), weights)
        scores.append(objective.score(target[judged], sharpened(mixed, sharpness)))
    weights = _choose(stacked, target[rows], objective)
    sharpness = _sharpness(_mixed(stacked, weights), target[rows], objective)
    return Blend(weights=weights, sharpness=sharpness, scores=tuple(scores))


def sharpened(shares: NDArray[np.float64], sharpness: float) -> NDArray[np.float64]:
    """Probabilities (n, classes) whose logarithms are those of `shares` times `sharpness`, but for a constant."""
    if sharpness == 1:
        return shares
    powers = np.maximum(shares, _LEAST_SHARE) ** sharpness
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _mixed(stacked: NDArray[np.float64], weights: Mapping[int, float]) -> NDArray[np.float64]:
    return np.asarray(np.tensordot([*weights.values()], stacked[[*weights]], axes=1), dtype=np.float64)


def _alike(stacked: NDArray[np.float64]) -> dict[int, float]:
    """The same weight for all: nothing is known that could tell them apart."""
    return dict.fromkeys(range(len(stacked)), 1 / len(stacked))


def _sharpness(mixed: NDArray[np.float64], truth: NDArray[Any], objective: Objective) -> float:
    """The one with the least log loss: means of several are too careful, and some models too sure.

    Source: C. Guo et al., "On calibration of modern neural networks", ICML 2017 (temperature scaling).
    """
    if objective.name != LOG_LOSS or not len(truth):
        return 1.0
    found = minimize_scalar(
        lambda log: objective.score(truth, sharpened(mixed, float(np.exp(log)))),
        bounds=np.log(_SHARPNESS),
        method="bounded",
        options={"xatol": 0.02},
    )
    return round(float(np.exp(found.x)), 3)


def _choose(stacked: NDArray[np.float64], truth: NDArray[Any], objective: Objective) -> dict[int, float]:
    """Add the candidate that helps most, again and again, until that helps no more; keep the state that was best."""
    total = np.zeros(stacked.shape[1:])
    picked: list[int] = []
    best, best_size = np.inf, 0
    for size in range(1, _PICKS + 1):
        places = range(len(stacked)) if len(set(picked)) < MOST_MEMBERS else sorted(set(picked))
        losses = {place: objective.loss(objective.score(truth, (total + stacked[place]) / size)) for place in places}
        place = min(losses, key=lambda each: (losses[each], each))
        picked.append(place)
        total += stacked[place]
        if losses[place] < best:
            best, best_size = losses[place], size
        elif size - best_size >= _PATIENCE:
            break
    counts = Counter(picked[:best_size])
    return {place: count / best_size for place, count in sorted(counts.items())}
