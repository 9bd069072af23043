"""Which candidates answer best together, by their cross-validated answers.

Source: R. Caruana et al., "Ensemble selection from libraries of models", ICML 2004 (with replacement).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.automl.judging.objectives import Objective
from modelyard.algorithms.automl.rows import Rows

_PICKS = 10
_MOST_ROWS = 4000
MOST_MEMBERS = 5

Answers = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend:
    """`weights`: candidate (by its place) -> weight; `scores`: of each fold, by weights that were chosen without it."""

    weights: dict[int, float]
    scores: tuple[float, ...]


def blend(answers: Sequence[Answers], rows: Rows, fold: NDArray[np.int64], objective: Objective, seed: int) -> Blend:
    """Choose weights.

    Args:
        answers: (n, outputs) of each candidate, best first.
        rows: that they were judged on.
        fold: of each row; -1: it has no answers.
        objective: that decides.
        seed: of the rows that are looked at where there are many.
    """
    judged = np.flatnonzero(fold >= 0)
    chosen = np.sort(np.random.default_rng(seed).permutation(judged)[:_MOST_ROWS])
    stacked = np.stack([each[chosen] for each in answers]).astype(np.float64)
    truth, places = rows.target[chosen], fold[chosen]
    scores = []
    for number in range(int(fold.max()) + 1):
        inside = places != number
        weights = _choose(stacked[:, inside], truth[inside], objective)
        judged_here = np.flatnonzero(fold == number)
        mixed = sum(answers[place][judged_here].astype(np.float64) * weight for place, weight in weights.items())
        scores.append(objective.score(rows.target[judged_here], np.asarray(mixed)))
    return Blend(weights=_choose(stacked, truth, objective), scores=tuple(scores))


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
