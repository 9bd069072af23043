"""From candidates to a model: the ensemble of the best, and training on all rows within the time that is left."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from time import perf_counter

import msgspec

from modelyard.algorithms import catalog, hyperparameters
from modelyard.algorithms.automl.checkpoint import Checkpoint, Fallback
from modelyard.algorithms.automl.children import run_in_child
from modelyard.algorithms.automl.contexts import PartContext
from modelyard.algorithms.automl.judging.blending import MOST_MEMBERS, blend
from modelyard.algorithms.automl.judging.folds import CrossValidation
from modelyard.algorithms.base import TrainingContext
from modelyard.algorithms.evaluation.figures import metric_figures
from modelyard.algorithms.jobfile import JobFile
from modelyard.runtimes.bundle import read_manifest
from modelyard.types.automl.reports import Candidate, CandidateStatus
from modelyard.types.models import Task
from modelyard.types.signatures import Scalar

ENSEMBLE = "ensemble"

_MOST_BLENDED = 10
_BLEND_SECONDS = 1.0
_FIRST_GUESS_SECONDS = 5.0
_MARGIN = 1.25
"""The end is reserved this much more than it will probably take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A model in a folder: its held-out figures, the seconds it took, and those that had nothing to do with fitting."""

    figures: dict[str, float]
    seconds: float
    overhead_seconds: float


class Winners:
    """Trains candidates on all rows, each in a process of its own.

    Args:
        job: with its data.
        judges: how candidates were judged.
        checkpoint: has their answers, and keeps the fallback.
        context: of the job.
    """

    def __init__(self, job: JobFile, judges: CrossValidation, checkpoint: Checkpoint, context: TrainingContext) -> None:
        self._job = job
        self._judges = judges
        self._checkpoint = checkpoint
        self._context = context
        self._overhead_seconds = _FIRST_GUESS_SECONDS

    def make_fallback(self, candidate: Candidate, seconds: float) -> None:
        """Train a quick candidate at once: there is a model from then on, and it is known how long the end takes."""
        found = self._checkpoint.fallback()
        if found is None:
            context = PartContext(job=self._context, folder=self._fresh(), is_silent=True)
            finished = self._train(candidate, context, seconds)
            if finished is None:
                return
            found = Fallback(
                number=candidate.number, overhead_seconds=finished.overhead_seconds, figures=finished.figures
            )
            self._checkpoint.save_fallback(found)
        self._overhead_seconds = found.overhead_seconds

    def reserve(self, completed: Sequence[Candidate]) -> float:
        """Seconds that the end will take, with room: an ensemble of the best would be trained."""
        best = self.best_first(completed)[:MOST_MEMBERS]
        return _BLEND_SECONDS + _MARGIN * (
            self._overhead_seconds + self._fit_seconds(sum(each.fit_seconds or 0.0 for each in best))
        )

    def ensemble(self, completed: Sequence[Candidate], number: int) -> Candidate | None:
        """The best together, or one of them surer or less sure, if that is better than the best alone."""
        best = varied(self.best_first(completed))
        if not best or not self._judges.subject.ensemble:
            return None
        answers = [self._checkpoint.answers(each.number) for each in best]
        judges = self._judges
        found = blend(answers, judges, self._context.seed)
        members = {place: best[place] for place in found.weights}
        objective, score = judges.objective, fmean(found.scores)
        alone = self.best_first(completed)[0]
        is_another = len(members) > 1 or found.sharpness != 1
        if not is_another or objective.loss(score) >= objective.loss(alone.score or 0.0):
            return None
        wanted = [
            {"algorithm": each.algorithm, "weight": found.weights[place], "hyperparameters": _own(each)}
            for place, each in members.items()
        ]
        algorithm = judges.subject.ensemble
        given: dict[str, Scalar] = {
            "members": msgspec.json.encode(wanted).decode(),
            **({} if found.sharpness == 1 else {"sharpness": found.sharpness}),
            **judges.subject.shared,
        }
        return Candidate(
            number=number,
            algorithm=algorithm,
            hyperparameters=hyperparameters.complete(catalog.describe(algorithm), given),
            source=ENSEMBLE,
            status=CandidateStatus.COMPLETED,
            score=score,
            score_error=stdev(found.scores) / judges.folds**0.5,
            folds=found.scores,
            fit_seconds=sum(each.fit_seconds or 0.0 for each in members.values()),
            latency_ms=round(sum(each.latency_ms or 0.0 for each in members.values()), 4),
        )

    def train(self, candidate: Candidate, left: float, grace: float) -> dict[str, float] | None:
        """Write a candidate's bundle to the job's output; None: it would take, or took, too long.

        Args:
            candidate: to be trained on all rows.
            left: seconds of the budget.
            grace: seconds over it after which it is ended.
        """
        needed = self._overhead_seconds + self._fit_seconds(candidate.fit_seconds or 0.0)
        if needed > left + grace:
            self._context.log(f"candidate {candidate.number} would take {needed:.1f} s to train, {left:.1f} s are left")
            return None
        finished = self._train(candidate, PartContext(job=self._context), left + grace)
        return None if finished is None else finished.figures

    def use_fallback(self) -> Fallback | None:
        """Make the quick candidate's model the output; None if there is none."""
        found = self._checkpoint.fallback()
        if found is not None:
            shutil.rmtree(self._context.output, ignore_errors=True)
            shutil.copytree(self._checkpoint.fallback_folder, self._context.output)
        return found

    def _train(self, candidate: Candidate, context: TrainingContext, seconds: float) -> Finished | None:
        def work() -> dict[str, float]:
            algorithm = catalog.algorithm(candidate.algorithm)
            algorithm.train(self._job.channels, candidate.hyperparameters, context)
            return metric_figures(read_manifest(context.output).card.metrics)

        begin = perf_counter()
        outcome = run_in_child(work, seconds)
        taken = perf_counter() - begin
        if outcome.value is None:
            why = "the time was over" if outcome.is_overdue else outcome.message
            self._context.log(f"candidate {candidate.number} could not be trained on all rows: {why}")
            return None
        overhead = max(0.5, taken - self._fit_seconds(candidate.fit_seconds or 0.0))
        return Finished(figures=outcome.value, seconds=taken, overhead_seconds=overhead)

    def _fresh(self) -> Path:
        folder = self._checkpoint.fallback_folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def _fit_seconds(self, of_a_fold: float) -> float:
        """On all rows, by what a fold took: it had all but one part of them."""
        fits = 2 if self._judges.subject.task is Task.FORECASTING else 1  # one more shows the errors' quantiles
        return fits * of_a_fold * self._judges.folds / (self._judges.folds - 1)

    def best_first(self, completed: Sequence[Candidate]) -> list[Candidate]:
        """By their scores."""
        return sorted(completed, key=lambda each: self._judges.objective.loss(each.score or 0.0))


def varied(ranked: Sequence[Candidate]) -> list[Candidate]:
    """Some of the best, best first, the best of each algorithm among them: who errs alike helps each other little."""
    of_each: dict[str, Candidate] = {}
    for each in ranked:
        of_each.setdefault(each.algorithm, each)
    wanted = [*dict.fromkeys(each.number for each in [*of_each.values(), *ranked])][:_MOST_BLENDED]
    return [each for each in ranked if each.number in wanted]


def _own(candidate: Candidate) -> dict[str, Scalar]:
    """The hyper-parameters that are not the defaults."""
    defaults = hyperparameters.complete(catalog.describe(candidate.algorithm), {})
    return {name: value for name, value in candidate.hyperparameters.items() if value != defaults[name]}
