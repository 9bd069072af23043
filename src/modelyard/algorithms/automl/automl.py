"""The AutoML job: profile, estimate, search, and the winner as a bundle, all within one budget of time."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from modelyard.algorithms.automl.budget import Budget
from modelyard.algorithms.automl.checkpoint import Checkpoint
from modelyard.algorithms.automl.errors import AutoMLInvalidError, NoCandidateError
from modelyard.algorithms.automl.judging.feasibility import estimate, on_half, too_short
from modelyard.algorithms.automl.judging.folds import CrossValidation, Tried
from modelyard.algorithms.automl.judging.objectives import find_objective
from modelyard.algorithms.automl.programs import write_program
from modelyard.algorithms.automl.search import Search, told
from modelyard.algorithms.automl.searchers import chosen_source
from modelyard.algorithms.automl.tasks.catalog import open_subject
from modelyard.algorithms.automl.winning import ENSEMBLE, Winners
from modelyard.algorithms.base import TrainingContext
from modelyard.algorithms.jobfile import JobFile
from modelyard.kit.files import write_atomic
from modelyard.types.automl.recipes import AutoMLRecipe
from modelyard.types.automl.reports import AutoMLReport, Candidate, CandidateStatus, Outlook
from modelyard.types.models import Task

PROGRAM = "train.py"

_MOST_CANDIDATES = 5000
_ATTEMPTS = 3
"""So many of the best are thought of where the time is too short for the better ones."""
_GRACE_SHARE = 0.05
"""Of the budget: so much later than planned may the winner be ready before the fallback takes its place."""
_OVERTIME_SECONDS, _OVERTIME_SHARE = 45.0, 0.1
"""So long, and so much of the budget, may the quickest model take where there would be none; the platform waits longer.
"""

Figures = dict[str, float | str]


def automl(job: JobFile, context: TrainingContext) -> Figures:
    """Search, and write the winner's bundle; figures: its held-out metrics, "candidates", "winner" and "seconds".

    An estimate writes no bundle; its figures are "outlook" and "seconds".

    Raises:
        InvalidInputError: the data cannot be learnt from; the message says which column and why.
        AutoMLInvalidError: the objective does not fit the target.
        FlamlMissingError: FLAML was asked for and is not installed.
        NoCandidateError: not even the quickest one could be fitted, a while after the time was over.
    """
    recipe = job.recipe.automl
    if recipe is None or "train" not in job.channels:
        raise AutoMLInvalidError(
            "An AutoML job needs data and a budget", hint="Name a dataset for the channel 'train'."
        )
    return _Work(job, recipe, context).run()


class _Work:
    def __init__(self, job: JobFile, recipe: AutoMLRecipe, context: TrainingContext) -> None:
        self._job = job
        self._recipe = recipe
        self._context = context
        self._checkpoint = Checkpoint(job.checkpoints or context.output.parent / "checkpoints")
        self._report: AutoMLReport = self._checkpoint.report()
        self._budget = Budget(recipe.budget_seconds, self._report.spent_seconds)
        seed = job.recipe.seed
        subject = open_subject(job.channels["train"], job.recipe.target, recipe)
        objective, source = find_objective(recipe.objective, subject), chosen_source(recipe.source)
        self._judges = CrossValidation(subject=subject, fold=subject.deal(seed), objective=objective)
        known = [each for each in self._report.candidates if each.source != ENSEMBLE and each.is_deployable]
        if known:
            context.log(f"{len(known)} candidates were tried before; {self._budget.left:.0f} s are left")
        self._search = Search(self._judges, source, seed, context, known)
        self._winners = Winners(job, self._judges, self._checkpoint, context)
        self._note(
            task=subject.task.value,
            objective=objective.name,
            is_objective_maximised=objective.is_maximised,
            source=source.value,
            budget_seconds=recipe.budget_seconds,
            folds=self._judges.folds,
            repetitions=len(self._judges.fold),
            candidates=tuple(known),
        )

    def run(self) -> Figures:
        if self._report.profile is None:
            self._profile()
        if self._report.feasibility is None:
            self._estimate()
        if self._recipe.is_estimate:
            outlook = self._report.feasibility.outlook if self._report.feasibility else Outlook.TOO_SHORT
            return {"outlook": outlook.value, "seconds": round(self._budget.spent, 2)}
        self._make_fallback((CandidateStatus.COMPLETED,), self._budget.left / 2)
        most = self._recipe.max_candidates or _MOST_CANDIDATES
        share = self._autogluon_seconds()

        def reserve() -> float:
            return share + self._winners.reserve(self._search.completed)

        self._search.run(self._budget, reserve, most, self._keep)
        if share:
            self._try_autogluon(share)
        return self._finish()

    def _autogluon_seconds(self) -> float:
        if self._judges.subject.task not in (Task.TABULAR_CLASSIFICATION, Task.TABULAR_REGRESSION):
            if self._job.autogluon is not None:
                self._context.log("AutoGluon takes no part: it is compared on classes and numbers in tables only")
            return 0.0
        from modelyard.algorithms.automl.foreign.autogluon import wanted_seconds  # noqa: PLC0415 - for tables only

        left = self._budget.left - self._winners.reserve(self._search.completed)
        return wanted_seconds(self._job.autogluon, left, self._context)

    def _try_autogluon(self, share: float) -> None:
        """Compare AutoGluon with what was found."""
        seconds = min(share, self._budget.left - self._winners.reserve(self._search.completed))
        if self._job.autogluon is None or seconds <= 0:
            return
        from modelyard.algorithms.automl.foreign.autogluon import try_autogluon  # noqa: PLC0415

        number = len(self._report.candidates)
        candidate = try_autogluon(self._job.autogluon, self._judges, number, seconds, self._context)
        self._context.log(f"candidate {number}: {told(candidate, self._judges.objective.name)}")
        self._note(candidates=(*self._report.candidates, candidate))

    def _profile(self) -> None:
        found = self._judges.subject.profile(self._job.recipe.seed)
        self._context.log(
            f"{found.rows:,} rows, {found.held_out_rows:,} of them held out; {len(found.columns)} columns"
        )
        for warning in found.warnings:
            self._context.log(f"note: {warning}")
        self._note(profile=found)

    def _estimate(self) -> None:
        """Try the quickest candidate, and once more on half of the rows, and say what can be expected."""
        begin = self._budget.spent
        if self._search.candidates:  # it was tried, and then this was killed
            self._note(feasibility=too_short("It was interrupted before anything could be estimated."))
            return
        candidate, tried = self._search.attempt(self._search.first(), self._budget.left / 2)
        seconds = self._budget.spent - begin
        found, half = too_short(f"A quick model was not ready in time: {candidate.message}."), None
        if tried is not None:
            halved = on_half(self._judges) if seconds < self._budget.left / 4 else None
            if halved is not None:
                half = self._search.judge(self._search.first(), halved, 2 * seconds).value
            left = self._budget.left - self._winners.reserve([])
            found = estimate(self._judges, tried, half, seconds, left)
        self._context.log(f"outlook: {found.outlook.value}. {found.reason}")
        self._note(feasibility=found)
        self._keep(candidate, tried)
        self._search.add(candidate)

    def _keep(self, candidate: Candidate, tried: Tried | None) -> None:
        """Save a candidate as soon as it was tried, and show where the search stands."""
        if tried is not None:
            self._checkpoint.save_answers(candidate.number, tried.answers)
        self._note(candidates=(*self._report.candidates, candidate))
        if candidate.score is not None:
            self._context.log_metric(f"candidate_{self._judges.objective.name}", candidate.score, candidate.number)

    def _finish(self) -> Figures:
        """Train the best that the time allows on all rows: the ensemble, one of the best, or the fallback."""
        completed = self._search.completed
        together = self._winners.ensemble(completed, len(self._report.candidates))
        if together is not None:
            self._note(candidates=(*self._report.candidates, together))
        best = self._winners.best_first(completed)[:_ATTEMPTS]
        for candidate in best if together is None else [together, *best]:
            grace = _GRACE_SHARE * self._recipe.budget_seconds
            figures = self._winners.train(candidate, self._budget.left, grace)
            if figures is not None:
                return self._won(candidate, figures)
        overtime = _OVERTIME_SECONDS + _OVERTIME_SHARE * self._recipe.budget_seconds
        self._make_fallback((CandidateStatus.COMPLETED, CandidateStatus.OVERDUE), self._budget.left + overtime)
        fallback = self._winners.use_fallback()
        if fallback is None:
            message = self._report.candidates[0].message if self._report.candidates else "none was tried"
            raise NoCandidateError(
                f"No candidate could be fitted in {self._recipe.budget_seconds:g} s, and a while longer: {message}",
                hint="Give it more time, or fewer rows.",
            )
        return self._won(self._report.candidates[fallback.number], fallback.figures)

    def _make_fallback(self, statuses: Collection[CandidateStatus], seconds: float) -> None:
        """Have a model of the quickest candidate that has one of these statuses, if there is none yet."""
        fitting = [each for each in self._report.candidates if each.is_deployable and each.status in statuses]
        if fitting and seconds > 0:
            quickest = min(fitting, key=lambda each: (each.score is None, each.fit_seconds or 0.0))
            self._winners.make_fallback(quickest, seconds)

    def _won(self, winner: Candidate, figures: dict[str, float]) -> Figures:
        channel = self._job.channels["train"]
        script = write_program(
            winner.algorithm,
            winner.hyperparameters,
            self._job.recipe,
            channel.reference,
            channel.format.value,
            self._job.threads,
        )
        write_atomic(self._context.output / PROGRAM, script.encode())
        held_out = {name: value for name, value in figures.items() if "/" not in name}
        self._note(winner=winner.number, holdout=held_out, script=script)
        self._context.log(f"the winner is candidate {winner.number}, {winner.algorithm}")
        figures_told: Figures = {
            "winner": winner.algorithm,
            "candidates": float(len(self._report.candidates)),
            "seconds": round(self._budget.spent, 2),
        }
        if winner.score is not None:
            figures_told[f"cross_validated/{self._judges.objective.name}"] = winner.score
        return {**figures, **figures_told}

    def _note(self, **changes: Any) -> None:
        """Save what is known, with the time that it took."""
        self._report = replace(self._report, spent_seconds=round(self._budget.spent, 3), **changes)
        self._checkpoint.save(self._report)
