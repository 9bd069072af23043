"""Cross-validation of one candidate: fitted to all folds but one, judged on that one, in turn."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from modelyard.algorithms.automl.judging.objectives import Objective
from modelyard.algorithms.automl.tasks.base import Answered, Answers, Numbers, Subject, outputs_of
from modelyard.algorithms.base import TrainingContext
from modelyard.types.signatures import Scalar

_HOPELESS = 3.0
"""A candidate goes no further that is worse than the best by so many standard errors on the folds that both have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What came of it.

    Attributes:
        scores: of each fold that was judged.
        is_dropped: it was so far behind that the rest was spared.
        answers: (repetitions, n, outputs) float32 for each row by models that had not seen it; NaN: there is none.
        fit_seconds: of one fold, on average.
        latency_ms: of one row.
        settled: hyper-parameters that fitting found out, the median over the folds.
    """

    scores: tuple[float, ...]
    is_dropped: bool
    answers: Answers
    fit_seconds: float
    latency_ms: float
    settled: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossValidation:
    """How candidates are judged. `fold` says for each row in which it is, once for each repetition (`Subject.deal`)."""

    subject: Subject
    fold: Numbers
    objective: Objective

    @property
    def folds(self) -> int:
        """Folds of a repetition."""
        return int(self.fold.max()) + 1

    @property
    def count(self) -> int:
        """Models that are fitted for one candidate."""
        return self.folds * len(self.fold)

    def splits(self) -> Iterable[tuple[int, Numbers, Numbers]]:
        """Repetition, rows to learn from, rows to judge on; one for each of `count`."""
        for repetition, fold in enumerate(self.fold):
            for number in range(self.folds):
                judged = np.flatnonzero(fold == number)
                yield repetition, self.subject.apart(np.flatnonzero(fold != number), judged), judged

    def judge(
        self, algorithm: str, given: Mapping[str, Scalar], context: TrainingContext, bar: Sequence[float] = ()
    ) -> Tried:
        """Judge one candidate.

        Args:
            algorithm: that is fitted.
            given: its complete hyper-parameters.
            context: of the job.
            bar: scores of the best one so far; with them a hopeless candidate is dropped.
        """
        subject, target = self.subject, self.subject.target
        answers = np.full((*self.fold.shape, outputs_of(subject)), np.nan, dtype=np.float32)
        scores: list[float] = []
        fits: list[Answered] = []
        is_dropped = False
        for repetition, learnt, judged in self.splits():
            found = subject.fit(algorithm, given, learnt, judged, context)
            fits.append(found)
            answers[repetition, judged] = found.answers
            scores.append(self.objective.score(target[judged], found.answers.astype(np.float64)))
            is_dropped = len(scores) < self.count and self._is_hopeless(scores, bar)
            if is_dropped:
                break
        return Tried(
            scores=tuple(scores),
            is_dropped=is_dropped,
            answers=answers,
            fit_seconds=sum(each.seconds for each in fits) / len(fits),
            latency_ms=fits[-1].latency_ms(),
            settled=_settled(fits),
        )

    def _is_hopeless(self, scores: Sequence[float], bar: Sequence[float]) -> bool:
        if len(bar) < self.count:
            return False
        best = np.array([self.objective.loss(each) for each in bar])
        mine = np.array([self.objective.loss(each) for each in scores])
        error = best[: self.folds].std(ddof=1) / np.sqrt(self.folds)
        return bool(mine.mean() > best[: len(mine)].mean() + _HOPELESS * error + 1e-12)


def _settled(fits: Sequence[Answered]) -> dict[str, Scalar]:
    """Numbers that differ from fold to fold become their median."""
    found: dict[str, list[Scalar]] = defaultdict(list)
    for each in fits:
        for name, value in each.settled.items():
            found[name].append(value)
    return {name: int(median(int(str(value)) for value in values)) for name, values in found.items()}
