"""Which candidates answer best together, by their cross-validated answers.

Source: R. Caruana et al., "Ensemble selection from libraries of models", ICML 2004 (with replacement).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.automl.judging.folds import CrossValidation
from modelyard.algorithms.automl.judging.objectives import Objective

_PICKS = 10
_MOST_ROWS = 4000
MOST_MEMBERS = 5

Answers = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """`weights`: candidate (by its place) -> weight; `scores`: of each fold, by weights that were chosen without it."""

    weights: dict[int, float]
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
    for repetition, _, judged in judges.splits():
        inside = ~np.isin(rows, judged)
        weights = _choose(stacked[:, inside], target[rows[inside]], objective)
        mixed = sum(answers[place][repetition, judged].astype(float) * weight for place, weight in weights.items())
        scores.append(objective.score(target[judged], np.asarray(mixed)))
    return Blend(weights=_choose(stacked, target[rows], objective), scores=tuple(scores))


def _choose(stacked: NDArray[np.float64], truth: NDArray[np.float64], objective: Objective) -> dict[int, float]:
    """Add the candidate that helps most, again and again; keep the state that was best."""
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
    counts = Counter(picked[:best_size])
    return {place: count / best_size for place, count in sorted(counts.items())}
