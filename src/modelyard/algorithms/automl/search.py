"""The search: which candidate is next, how it went, and when it is time to finish."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev

from modelyard.algorithms import catalog, hyperparameters
from modelyard.algorithms.automl.budget import Budget
from modelyard.algorithms.automl.children import Outcome, run_in_child
from modelyard.algorithms.automl.contexts import PartContext
from modelyard.algorithms.automl.judging.folds import CrossValidation, Tried
from modelyard.algorithms.automl.searchers import Searcher, make_searcher
from modelyard.algorithms.base import TrainingContext
from modelyard.types.automl.recipes import CandidateSource
from modelyard.types.automl.reports import Candidate, CandidateStatus
from modelyard.types.signatures import Scalar

_TURNS = (0, 0, 1, 0, 0, 1, 0, 2)
"""Whose turn it is: mostly the algorithm that has done best, sometimes the second and third."""

START = "start"
_WORTH_TRYING = 0.5
"""A candidate begins if at least this part of the time that it will probably take is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What to try next."""

    number: int
    algorithm: str
    given: dict[str, Scalar]
    source: str


class Search:
    """Proposes and tries. Knows all candidates so far, from `known` on.

    Args:
        judges: cross-validation.
        source: who proposes.
        seed: of every random choice.
        context: of the job.
        known: candidates of earlier attempts.
    """

    def __init__(
        self,
        judges: CrossValidation,
        source: CandidateSource,
        seed: int,
        context: TrainingContext,
        known: Sequence[Candidate],
    ) -> None:
        self._judges = judges
        self._source = source
        self._context = context
        self._start = judges.subject.start
        self._spaces = judges.subject.spaces()
        self._searchers: dict[str, Searcher] = {
            name: make_searcher(source, space, seed) for name, space in self._spaces.items()
        }
        self.candidates: list[Candidate] = []
        for each in known:
            self._remember(each)

    @property
    def best(self) -> Candidate | None:
        """The best that has completed."""
        return min(self.completed, key=self._loss, default=None)

    @property
    def completed(self) -> list[Candidate]:
        """In the order in which they were tried."""
        return [each for each in self.candidates if each.status is CandidateStatus.COMPLETED]

    def run(self, budget: Budget, reserve: Callable[[], float], most: int, keep: "Keep") -> None:
        """Try until the budget, less what is reserved for the end, is over, or `most` candidates were tried.

        Args:
            budget: of the job.
            reserve: seconds that the end will take, as it looks now.
            most: candidates.
            keep: takes each candidate as soon as it was tried, with its answers.
        """
        while len(self.candidates) < most:
            left = budget.left - reserve()
            proposal = self._next()
            if left < _WORTH_TRYING * self._expected_seconds(proposal):
                return
            candidate, tried = self.attempt(proposal, left)
            keep(candidate, tried)
            self._remember(candidate)
            if candidate.status is CandidateStatus.OVERDUE:
                return

    def attempt(self, proposal: Proposal, seconds: float) -> tuple[Candidate, Tried | None]:
        """Try one candidate, for so long at the most."""
        best = self.best
        bar = () if proposal.source == START or best is None else best.folds
        given = self._complete(proposal)
        outcome = self.judge(proposal, self._judges, seconds, bar)
        candidate = _candidate(proposal, given, outcome, self._judges.folds)
        self._context.log(f"candidate {candidate.number}: {told(candidate, self._judges.objective.name)}")
        return candidate, outcome.value

    def judge(
        self, proposal: Proposal, judges: CrossValidation, seconds: float, bar: Sequence[float] = ()
    ) -> Outcome[Tried]:
        """Cross-validate a proposal in a process of its own, by any judges."""
        given = self._complete(proposal)
        context = PartContext(job=self._context, is_silent=True)
        return run_in_child(lambda: judges.judge(proposal.algorithm, given, context, bar), seconds)

    def first(self) -> Proposal:
        """The quickest of all."""
        name, given = self._start[0]
        return Proposal(number=0, algorithm=name, given=dict(given), source=START)

    def add(self, candidate: Candidate) -> None:
        """Take note of one that was tried by other ways."""
        self._remember(candidate)

    def _complete(self, proposal: Proposal) -> dict[str, Scalar]:
        wanted = {**proposal.given, **self._judges.subject.shared}
        return hyperparameters.complete(catalog.describe(proposal.algorithm), wanted)

    def _next(self) -> Proposal:
        number = len(self.candidates)
        if number < len(self._start):
            name, given = self._start[number]
            return Proposal(number=number, algorithm=name, given=dict(given), source=START)
        ranked = self._ranked()
        name = ranked[min(_TURNS[number % len(_TURNS)], len(ranked) - 1)]
        proposed = {**self._spaces[name].fixed, **self._searchers[name].propose()}
        return Proposal(number=number, algorithm=name, given=proposed, source=self._source.value)

    def _ranked(self) -> list[str]:
        """Algorithms, the one with the best candidate first."""
        best = dict.fromkeys(self._spaces, math.inf)
        for each in self.completed:
            if each.algorithm not in best:  # one with nothing to look for
                continue
            best[each.algorithm] = min(best[each.algorithm], self._loss(each))
        return sorted(best, key=lambda name: (best[name], name))

    def _expected_seconds(self, proposal: Proposal) -> float:
        """What it will probably take, by those of its algorithm, or else by all."""
        same = [each for each in self.completed if each.algorithm == proposal.algorithm] or self.completed
        return median(each.fit_seconds or 0.0 for each in same) * self._judges.count if same else 0.0

    def _loss(self, candidate: Candidate) -> float:
        return math.inf if candidate.score is None else self._judges.objective.loss(candidate.score)

    def _remember(self, candidate: Candidate) -> None:
        self.candidates.append(candidate)
        if candidate.algorithm in self._searchers:
            loss = self._loss(candidate)
            self._searchers[candidate.algorithm].learn(candidate.hyperparameters, loss, candidate.fit_seconds or 0.0)


Keep = Callable[[Candidate, Tried | None], None]


def _candidate(proposal: Proposal, given: dict[str, Scalar], outcome: Outcome[Tried], folds: int) -> Candidate:
    tried = outcome.value
    if tried is None:
        return Candidate(
            number=proposal.number,
            algorithm=proposal.algorithm,
            hyperparameters=given,
            source=proposal.source,
            status=CandidateStatus.OVERDUE if outcome.is_overdue else CandidateStatus.FAILED,
            message=outcome.message or "the time was over",
        )
    scores = tried.scores
    return Candidate(
        number=proposal.number,
        algorithm=proposal.algorithm,
        hyperparameters={**given, **tried.settled},
        source=proposal.source,
        status=CandidateStatus.DROPPED if tried.is_dropped else CandidateStatus.COMPLETED,
        score=fmean(scores),
        score_error=stdev(scores) / math.sqrt(min(folds, len(scores))) if len(scores) > 1 else None,
        folds=scores,
        fit_seconds=tried.fit_seconds,
        latency_ms=tried.latency_ms,
    )


def told(candidate: Candidate, objective: str) -> str:
    """A candidate in a line of the log."""
    if candidate.score is None:
        return f"{candidate.algorithm} {candidate.status.value}: {candidate.message}"
    return (
        f"{candidate.algorithm} {candidate.status.value}, {objective} {candidate.score:.4f}, "
        f"{candidate.fit_seconds or 0:.2f} s a fold, {candidate.latency_ms or 0:.3f} ms a row"
    )
