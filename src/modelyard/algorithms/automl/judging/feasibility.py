"""What can be expected of a search, told by one quick model before the budget is spent."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from modelyard.algorithms.automl.judging.folds import CrossValidation, Tried
from modelyard.algorithms.automl.judging.objectives import Objective
from modelyard.types.automl.reports import Feasibility, Outlook
from modelyard.types.models import Task

_CLEAR = 3.0
"""Standard errors between a quick model and guessing that make a clear case."""
_TELLING = 2.0
_FEWEST_CANDIDATES = 3
_QUICK_SHARE = 4.0
"""A candidate of the search takes about so many times as long as the quick model."""
_RISE = 0.02


def on_half(judges: CrossValidation) -> CrossValidation | None:
    """The same on half of the rows, if that makes sense."""
    half = judges.subject.half(judges.fold)
    return None if half is None else replace(judges, subject=half[0], fold=half[1])


def estimate(judges: CrossValidation, quick: Tried, half: Tried | None, seconds: float, left: float) -> Feasibility:
    """Say what can be expected.

    Args:
        judges: how candidates are judged.
        quick: the quick model.
        half: the same on half of the rows, if there was time.
        seconds: that the quick model took, all folds.
        left: seconds of the budget for the search.
    """
    objective = judges.objective
    guesses = _guesses(judges)
    guess, score = float(np.mean(guesses)), float(np.mean(quick.scores))
    per_candidate = seconds * _QUICK_SHARE
    expected = max(0, int(left / max(per_candidate, 1e-3)))
    naive = "the seasonal naive forecast" if judges.subject.task is Task.FORECASTING else "guessing"
    outlook, words = _outlook(objective, guesses, quick.scores)
    reasons = [f"A quick model has {objective.name} {score:.4g}, {naive} has {guess:.4g}: {words}."]
    if half is not None:
        reasons += _more_rows(objective, float(np.mean(half.scores)), score, guess)
    if expected < _FEWEST_CANDIDATES:
        reasons.append(f"The time is enough for about {expected} candidates: give it more.")
    return Feasibility(
        outlook=outlook,
        reason=" ".join(reasons),
        guess=guess,
        quick=score,
        quick_on_half=None if half is None else float(np.mean(half.scores)),
        seconds_per_candidate=round(per_candidate, 3),
        expected_candidates=expected,
    )


def too_short(message: str) -> Feasibility:
    """Not even the quick model was ready in time, or it failed."""
    return Feasibility(outlook=Outlook.TOO_SHORT, reason=message)


def _guesses(judges: CrossValidation) -> list[float]:
    """Scores of what one would answer without a model."""
    subject = judges.subject
    return [
        judges.objective.score(subject.target[judged], subject.guess(learnt, judged))
        for _, learnt, judged in judges.splits()
    ]


def _outlook(objective: Objective, guesses: Sequence[float], scores: Sequence[float]) -> tuple[Outlook, str]:
    gains = np.array([objective.loss(g) - objective.loss(s) for g, s in zip(guesses, scores, strict=True)])
    error = float(gains.std(ddof=1)) / np.sqrt(len(gains)) if len(gains) > 1 else 0.0
    if gains.mean() > max(_CLEAR * error, 1e-9):
        return Outlook.GOOD, "the data tell something of the target"
    if gains.mean() > _TELLING * error:
        return Outlook.WEAK, "the data tell little of the target, or there are few rows to see it by"
    return Outlook.NONE, "nothing shows that the data tell anything of the target; a search may still find a bend"


def _more_rows(objective: Objective, half: float, whole: float, guess: float) -> list[str]:
    gain, possible = objective.loss(half) - objective.loss(whole), abs(objective.loss(guess) - objective.loss(whole))
    if possible and gain / possible > _RISE:
        return [f"On half of the rows it is {half:.4g}: more rows would help."]
    return []
