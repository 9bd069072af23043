"""A tuning job from its record to its end, beside jobs that end as the test says."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from modelyard.control.jobs.errors import JobNotFoundError
from modelyard.control.rest.pages import Page, PageQuery
from modelyard.control.tuning import execution as module
from modelyard.control.tuning.errors import TrialFilesGoneError, TrialNotFoundError, TrialUnfinishedError
from modelyard.control.tuning.execution import MAX_FAILURES, TuningExecution
from modelyard.control.tuning.repository import TuningRepository
from modelyard.control.tuning.service import TuningService
from modelyard.errors import InvalidInputError, InvalidStateError, UnavailableError
from modelyard.kit.clock import SystemClock
from modelyard.storage.creations import Creations
from modelyard.storage.database import Database
from modelyard.types.jobs import DatasetRef, Job, JobEnd, JobKind, JobRecipe, JobStatus, MetricPoint
from modelyard.types.processes import EndCause, Resources
from modelyard.types.scripting.recipes import MetricDefinition, ScriptRecipe
from modelyard.types.tuning.generations import Generation
from modelyard.types.tuning.jobs import Trial, TrialStatus
from modelyard.types.tuning.searches import (
    Direction,
    EarlyStopping,
    Objective,
    Range,
    Search,
    StopRule,
    Strategy,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
PROJECT = "default"


@dataclass
class ScriptedJobs:
    """Jobs that are looked at `looks` times before `end` says how they end. Submitted once for each creation."""

    end: Callable[[Job], Job]
    looks: int = 1
    jobs: dict[str, Job] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    curves: Callable[[Job], dict[int, float]] = lambda _job: {}
    most_at_once: int = 0
    refusal: Exception | None = None

    def complete(self, project: str, recipe: JobRecipe) -> JobRecipe:
        return replace(recipe, channels={"train": DatasetRef(dataset="d", number=1)})

    def check_fits(self, project: str, resources: Resources, placement: object) -> None:
        pass

    def submit(self, project, kind, recipe, model, resources, *, created_by, creation, placement) -> Job:
        if self.refusal is not None:
            raise self.refusal
        known = self.keys.get(creation.key)
        if known is None:
            known = self.keys[creation.key] = f"job-{len(self.jobs)}"
            self.jobs[known] = Job(
                project=project, id=known, kind=kind, status=JobStatus.RUNNING, recipe=recipe, resources=resources,
                model=model, attempt=1, sandbox=None, created_at=START, started_at=START,
            )  # fmt: skip
            alive = [job for job in self.jobs.values() if not job.status.is_final]
            self.most_at_once = max(self.most_at_once, len(alive))
        return self.get(project, known)

    def create_training(self, project, recipe, model, resources, *, created_by, creation=None, placement) -> Job:
        return self.submit(
            project, JobKind.TRAINING, recipe, model, resources,
            created_by=created_by, creation=creation, placement=placement,
        )  # fmt: skip

    def get(self, project: str, job_id: str) -> Job:
        if job_id not in self.jobs:
            raise JobNotFoundError(job_id)
        job = self.jobs[job_id]
        if not job.status.is_final:
            self.seen[job_id] = self.seen.get(job_id, 0) + 1
            if self.seen[job_id] > self.looks:
                job = self.jobs[job_id] = replace(self.end(job), ended_at=START + timedelta(seconds=2))
        return job

    def stop(self, project: str, job_id: str) -> Job:
        if self.jobs[job_id].status.is_final:
            raise InvalidStateError("it has ended")
        self.jobs[job_id] = replace(self.jobs[job_id], status=JobStatus.STOPPED)
        return self.jobs[job_id]

    def metrics(self, project: str, job_id: str, page: PageQuery) -> Page[MetricPoint]:
        curve = self.curves(self.jobs[job_id])
        points = [MetricPoint(name="validation_loss", value=v, step=step, at=START) for step, v in curve.items()]
        return Page(items=points, next_cursor=None)


class ScriptedScripts:
    """Takes every program, and registers what a trial has left."""

    def __init__(self, jobs: ScriptedJobs) -> None:
        self.jobs = jobs

    def complete(self, project, recipe, script):
        return replace(recipe, script=script)

    def register_kept(self, project, job_id, model):
        job = self.jobs.get(project, job_id)
        return replace(job, result={**job.result, "model_version": f"{model}:1"})


@dataclass
class Forgotten:
    """What trials had left and nobody needs any more."""

    files: list[str] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)
    is_away: bool = False

    def forget_files(self, _project: str, job_id: str) -> None:
        self._answer()
        self.files.append(job_id)

    def forget_checkpoint(self, job_id: str) -> None:
        self._answer()
        self.checkpoints.append(job_id)

    def _answer(self) -> None:
        if self.is_away:
            raise UnavailableError("the object store is away")


def by_depth(job: Job) -> Job:
    """Accuracy is best at depth 5; the training of the best one makes a version."""
    accuracy = 1 - abs(int(job.recipe.hyperparameters["max_depth"]) - 5) / 10
    made = {"model_version": f"{job.model}:1"} if job.kind is JobKind.TRAINING else {}
    return replace(job, status=JobStatus.COMPLETED, result={"accuracy": accuracy, **made})


def failing(job: Job) -> Job:
    return replace(job, status=JobStatus.FAILED, end=JobEnd(cause=EndCause.EXIT, message="The column is empty."))


@dataclass
class Stage:
    database: Database
    jobs: ScriptedJobs

    def __post_init__(self) -> None:
        self.scripts = ScriptedScripts(self.jobs)
        shared = {
            "database": self.database,
            "repository": TuningRepository(),
            "jobs": self.jobs,
            "clock": SystemClock(),
        }
        self.service = TuningService(creations=Creations(), scripts=self.scripts, **shared)
        self.forgotten = Forgotten()
        self.execution = TuningExecution(service=self.service, leavings=self.forgotten, **shared)

    def start(self, **given) -> str:
        standard = {
            "recipe": JobRecipe(algorithm="boosted-trees-classification", target="y"),
            "model": "m",
            "space": {"max_depth": Range(low=1, high=10)},
            "objectives": (),
            "strategy": Strategy.GRID,
            "max_trials": 10,
            "parallel_trials": 3,
        }
        return self.service.create(PROJECT, Search(**(standard | given)), created_by="me").id

    def carry(self, tuning: str):
        self.execution.search(tuning)
        self.execution.settle(tuning)
        return self.service.get(PROJECT, tuning)

    def trials(self, tuning: str) -> list[Trial]:
        return self.service.trials(PROJECT, tuning, PageQuery(500)).items


@pytest.fixture
def stage(database: Database, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Stage]:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.0)
    return lambda end=by_depth, **given: Stage(database, ScriptedJobs(end, **given))


def test_every_trial_runs_a_few_at_a_time_and_the_best_is_trained_and_registered(stage) -> None:
    yard = stage()
    tuning = yard.start()
    done = yard.carry(tuning)
    assert (done.status, done.result) == (JobStatus.COMPLETED, {"job": "job-10", "model_version": "m:1"})
    assert (done.best.hyperparameters, done.best.values) == ({"max_depth": 5}, {"accuracy": 1.0, "seconds": 2.0})
    assert done.counts == {"COMPLETED": 10}
    assert yard.jobs.most_at_once == 3
    trial, best = yard.jobs.jobs["job-0"], yard.jobs.jobs["job-10"]
    assert (trial.kind, trial.recipe.is_trial, trial.model) == (JobKind.TRIAL, True, None)
    assert (best.kind, best.recipe.is_trial, best.recipe.hyperparameters["max_depth"]) == (JobKind.TRAINING, False, 5)
    yard.execution.settle(tuning)
    assert len(yard.jobs.jobs) == 11, "a second settling trains nothing"


def test_a_search_that_is_killed_anywhere_goes_on_without_trying_anything_twice(stage, monkeypatch) -> None:
    class Killed(BaseException):
        pass

    yard = stage()
    tuning = yard.start(max_trials=6, space={"max_depth": Range(low=1, high=6)})
    for limit in range(1, 60):
        calls = 0

        def count(connection, *given, _limit=limit, _save=TuningRepository.save_trial, **named):
            nonlocal calls
            calls += 1
            if calls == _limit % 4 + 1:
                raise Killed
            _save(TuningRepository(), connection, *given, **named)

        monkeypatch.setattr(yard.execution._repository, "save_trial", count)  # killed before what it found is stored
        try:
            yard.execution.search(tuning)
            break
        except Killed:
            continue
    done = yard.carry(tuning)
    assert done.status is JobStatus.COMPLETED
    assert [trial.hyperparameters["max_depth"] for trial in yard.trials(tuning)] == [1, 2, 3, 4, 5, 6]
    assert sum(job.kind is JobKind.TRIAL for job in yard.jobs.jobs.values()) == 6


def test_a_search_whose_trials_all_fail_ends_soon_and_says_why(stage) -> None:
    yard = stage(failing)
    done = yard.carry(yard.start(parallel_trials=1))
    assert done.status is JobStatus.FAILED
    assert "The column is empty." in done.message
    assert done.counts == {"FAILED": MAX_FAILURES}


def test_while_the_queue_does_not_answer_the_trial_waits(stage) -> None:
    yard = stage()
    tuning = yard.start(max_trials=1)
    yard.jobs.refusal = UnavailableError("away")
    assert not yard.execution._round(tuning)
    assert [trial.status for trial in yard.trials(tuning)] == [TrialStatus.RUNNING]
    yard.jobs.refusal = None
    assert yard.carry(tuning).counts == {"COMPLETED": 1}


def test_a_search_that_is_stopped_stops_its_trials_and_registers_nothing(stage) -> None:
    yard = stage(looks=10**6)
    tuning = yard.start()
    yard.execution._round(tuning)
    assert yard.service.stop(PROJECT, tuning).status is JobStatus.STOPPING
    done = yard.carry(tuning)
    assert (done.status, done.counts, done.result) == (JobStatus.STOPPED, {"STOPPED": 3}, {})
    with pytest.raises(InvalidStateError):
        yard.service.stop(PROJECT, tuning)


def test_after_the_time_limit_nothing_begins_and_what_completed_counts(stage, monkeypatch) -> None:
    yard = stage()
    tuning = yard.start(time_limit_seconds=3600, parallel_trials=1)
    while not any(trial.status is TrialStatus.COMPLETED for trial in yard.trials(tuning)):
        yard.execution._round(tuning)
    late = yard.service.get(PROJECT, tuning).created_at + timedelta(hours=2)
    monkeypatch.setattr(SystemClock, "now", lambda _self: late)
    done = yard.carry(tuning)
    assert done.status is JobStatus.COMPLETED
    assert done.counts["COMPLETED"] >= 1
    assert sum(done.counts.values()) < 10


def test_trials_that_fall_behind_end_early_and_say_why(stage) -> None:
    def curve(job: Job) -> dict[int, float]:
        return {step: float(job.recipe.hyperparameters["max_depth"]) for step in range(1, 9)}

    rule = EarlyStopping(rule=StopRule.ASHA, metric="validation_*", direction=Direction.MINIMISE, warm_up_steps=2)
    yard = stage(looks=3, curves=curve)
    tuning = yard.start(early_stopping=rule)
    done = yard.carry(tuning)
    ended = [trial for trial in yard.trials(tuning) if trial.status is TrialStatus.ENDED_EARLY]
    assert len(ended) >= 6
    assert all("others were better" in trial.message for trial in ended)
    assert done.best.hyperparameters == {"max_depth": 1}


def test_a_rule_that_no_trial_can_be_judged_by_is_told(stage) -> None:
    rule = EarlyStopping(rule=StopRule.MEDIAN, metric="nothing", direction=Direction.MINIMISE)
    yard = stage()
    assert "none logged a figure 'nothing'" in yard.carry(yard.start(early_stopping=rule)).message


def test_several_objectives_have_a_front_and_any_trial_of_it_can_be_registered(stage) -> None:
    yard = stage()
    objectives = (
        Objective(metric="accuracy", direction=Direction.MAXIMISE),
        Objective(metric="seconds", direction=Direction.MINIMISE),
    )
    tuning = yard.start(model=None, objectives=objectives)
    done = yard.carry(tuning)
    assert (done.best, done.front, done.result) == (None, (4,), {})
    job = yard.service.register(PROJECT, tuning, 3, "other", created_by="me", creation=module._once(tuning, "x"))
    assert (job.recipe.hyperparameters["max_depth"], job.model) == (4, "other")
    with pytest.raises(TrialNotFoundError):
        yard.service.register(PROJECT, tuning, 99, "other", created_by="me")


def test_only_a_completed_trial_can_be_registered(stage) -> None:
    yard = stage(failing)
    tuning = yard.start(max_trials=1)
    yard.carry(tuning)
    with pytest.raises(TrialUnfinishedError):
        yard.service.register(PROJECT, tuning, 0, "other", created_by="me")


def test_a_search_starts_from_what_another_one_has_seen(stage, monkeypatch) -> None:
    yard = stage()
    first = yard.start()
    yard.carry(first)
    seen: list[int] = []
    monkeypatch.setattr(module, "choose", lambda _search, trials, _number: seen.append(len(trials)) or {"max_depth": 2})
    yard.carry(yard.start(warm_start=(first,), max_trials=2, parallel_trials=1))
    assert seen == [10, 11]
    seen.clear()
    yard.carry(yard.start(warm_start=(first,), max_trials=1, space={"max_depth": Range(low=2, high=4)}))
    assert seen == [3], "only trials within the space count"


SCRIPT = JobRecipe(
    algorithm="script",
    script=ScriptRecipe(
        code="0" * 64, entry_point="train.py", metrics=(MetricDefinition(name="val_loss", regex="(.)"),)
    ),
)


def by_rate(job: Job) -> Job:
    """The loss is smallest at rate 5; the script logs it, and leaves a model."""
    loss = abs(int(job.recipe.hyperparameters["rate"]) - 5) / 10
    return replace(job, status=JobStatus.COMPLETED, metrics={"val_loss": loss}, result={"output_files": 1.0})


def test_trials_of_a_script_are_judged_by_what_they_log_and_the_best_one_is_registered_as_it_is(stage) -> None:
    yard = stage(by_rate)
    tuning = yard.start(recipe=SCRIPT, space={"rate": Range(low=1, high=8, is_whole=True)})
    done = yard.carry(tuning)
    assert (done.status, done.counts) == (JobStatus.COMPLETED, {"COMPLETED": 8})
    assert (done.search.objectives[0].metric, done.search.objectives[0].direction) == ("val_loss", Direction.MINIMISE)
    assert (done.best.hyperparameters, done.best.values["val_loss"]) == ({"rate": 5}, 0.0)
    assert done.result == {"job": done.best.job, "model_version": "m:1"}
    assert len(yard.jobs.jobs) == 8, "nothing is trained again"
    assert {job.kind for job in yard.jobs.jobs.values()} == {JobKind.TRIAL}
    assert yard.jobs.jobs["job-0"].recipe.script == SCRIPT.script


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"space": {}}, "The search space is empty"),
        ({"space": {"rate": Range(low=2, high=1)}}, "from 2 to 1"),
        ({"space": {"rate": Range(low=0, high=1, is_log=True)}}, "logarithmic range"),
        ({"space": {"rate": Range(low=0.5, high=3, is_whole=True)}}, "takes whole numbers"),
        ({"recipe": JobRecipe(algorithm="script", script=ScriptRecipe())}, "no objective of its own"),
        ({"model": "../m"}, "../m"),
    ],
)
def test_a_search_over_a_script_that_makes_no_sense_is_refused(stage, change, words) -> None:
    given = {"recipe": SCRIPT, "space": {"rate": Range(low=1, high=8, is_whole=True)}} | change
    with pytest.raises(InvalidInputError, match=words):
        stage(by_rate).start(**given)


def test_a_population_is_trained_in_generations_and_its_checkpoints_are_forgotten(stage) -> None:
    def by_rate(job: Job) -> Job:
        accuracy = 1 - abs(float(job.recipe.hyperparameters["learning_rate"]) - 0.1)
        made = {"model_version": f"{job.model}:1"} if job.kind is JobKind.TRAINING else {}
        return replace(job, status=JobStatus.COMPLETED, result={"accuracy": accuracy, **made})

    yard = stage(by_rate)
    space = {"learning_rate": Range(low=0.01, high=0.9, is_log=True)}
    tuning = yard.start(strategy=Strategy.PBT, space=space, max_trials=12, population=4)
    done = yard.carry(tuning)
    assert (done.status, done.counts) == (JobStatus.COMPLETED, {"COMPLETED": 12})
    trials = yard.trials(tuning)
    jobs = {trial.number: yard.jobs.jobs[trial.job] for trial in trials}
    for trial in trials[4:]:
        parent = jobs[trial.parent]
        assert jobs[trial.number].recipe.generation == Generation(number=trial.number // 4, parent=parent.id)
    assert yard.jobs.most_at_once == 3
    assert {trial.job for trial in trials} == set(yard.forgotten.checkpoints)
    best = yard.jobs.jobs[done.result["job"]].recipe
    assert best.hyperparameters["schedule"] == jobs[done.best.number].recipe.hyperparameters["schedule"]
    assert best.generation is None


def test_an_object_store_that_does_not_answer_fails_no_search(stage) -> None:
    yard = stage()
    yard.forgotten.is_away = True
    space = {"learning_rate": Range(low=0.01, high=0.9, is_log=True)}
    recipe = JobRecipe(algorithm="boosted-trees-classification", target="y", hyperparameters={"max_depth": 5})
    tuning = yard.start(recipe=recipe, strategy=Strategy.PBT, space=space, max_trials=6, population=2)
    assert yard.carry(tuning).counts == {"COMPLETED": 6}
    yard = stage(by_rate)
    yard.forgotten.is_away = True
    space = {"rate": Range(low=1, high=6, is_whole=True)}
    tuning = yard.start(recipe=SCRIPT, model=None, space=space, parallel_trials=1, kept_trials=1)
    while not any(trial.number == 3 for trial in yard.trials(tuning)):
        yard.execution._round(tuning)
    assert all(trial.has_files for trial in yard.trials(tuning))
    yard.forgotten.is_away = False
    assert yard.carry(tuning).counts == {"COMPLETED": 6}
    assert [trial.number for trial in yard.trials(tuning) if trial.has_files] == [4], "the one with the rate 5"


def the_slower_the_better(job: Job) -> Job:
    """The loss that the script logs is its rate."""
    return replace(job, status=JobStatus.COMPLETED, metrics={"val_loss": float(job.recipe.hyperparameters["rate"])})


def test_of_a_scripts_trials_the_best_keep_their_files(stage) -> None:
    yard = stage(the_slower_the_better)
    space = {"rate": Range(low=1, high=6, is_whole=True)}
    tuning = yard.start(recipe=SCRIPT, model=None, space=space, kept_trials=2)
    yard.carry(tuning)
    trials = yard.trials(tuning)
    assert [trial.has_files for trial in trials] == [True, True, False, False, False, False]
    assert sorted(yard.forgotten.files) == [trial.job for trial in trials[2:]]
    assert yard.service.register(PROJECT, tuning, 1, "m", created_by="me").result["model_version"] == "m:1"
    with pytest.raises(TrialFilesGoneError):
        yard.service.register(PROJECT, tuning, 4, "m", created_by="me")


def test_after_a_stop_too_the_best_alone_keep_their_files(stage) -> None:
    yard = stage(the_slower_the_better)
    space = {"rate": Range(low=1, high=6, is_whole=True)}
    tuning = yard.start(recipe=SCRIPT, model=None, space=space, parallel_trials=3, kept_trials=1)
    yard.execution._round(tuning)
    yard.service.stop(PROJECT, tuning)
    assert yard.carry(tuning).status is JobStatus.STOPPED
    completed = [trial for trial in yard.trials(tuning) if trial.status is TrialStatus.COMPLETED]
    assert len(completed) > 1
    assert [trial.has_files for trial in completed] == [True, *[False] * (len(completed) - 1)], "the first is the best"
