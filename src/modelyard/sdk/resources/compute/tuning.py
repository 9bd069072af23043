"""Tuning jobs: the search for hyper-parameters."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypedDict, Unpack

from modelyard.sdk.calls import Mode, Pages, call, listing
from modelyard.sdk.errors import WaitFailedError
from modelyard.sdk.resource import JOBS, Resource, act, create, pages, read, wait_for
from modelyard.sdk.resources.compute.scripts import Program, program_of
from modelyard.sdk.resources.compute.waiting import channels_of, room_of
from modelyard.sdk.steps import Flow
from modelyard.types.compute.scheduling import Placement
from modelyard.types.jobs import Job, JobStatus
from modelyard.types.processes import Resources
from modelyard.types.signatures import Scalar
from modelyard.types.tuning.jobs import Trial, TuningJob
from modelyard.types.tuning.searches import EarlyStopping, Strategy

Span = Sequence[Scalar] | Mapping[str, Scalar]


class SearchOptions(TypedDict, total=False):
    """How it is searched; see `Tuning.start`."""

    strategy: Strategy
    max_trials: int
    parallel_trials: int
    time_limit_seconds: float | None
    early_stopping: EarlyStopping | Mapping[str, Scalar] | None
    warm_start: Sequence[str]
    population: int
    kept_trials: int | None
    seed: int
    resources: Resources | None
    placement: Placement | None


class Tuning(Resource[Mode]):
    """The search for hyper-parameters."""

    @call
    def start(
        self,
        algorithm: str,
        data: str | Mapping[str, str],
        space: Mapping[str, Span],
        *,
        model: str | None = None,
        target: str | None = None,
        hyperparameters: Mapping[str, Scalar] | None = None,
        objectives: Sequence[str] = (),
        constraints: Mapping[str, Mapping[str, float]] | None = None,
        strategy: Strategy = Strategy.TPE,
        max_trials: int = 30,
        parallel_trials: int = 2,
        time_limit_seconds: float | None = None,
        early_stopping: EarlyStopping | Mapping[str, Scalar] | None = None,
        warm_start: Sequence[str] = (),
        population: int = 5,
        seed: int = 0,
        resources: Resources | None = None,
        placement: Placement | None = None,
    ) -> Flow[TuningJob]:
        """Look for the best hyper-parameters of an algorithm; with `model`, register what they train. `wait` awaits it.

        Args:
            algorithm: "boosted-trees-classification", ...; see `client.algorithms`.
            data: a dataset ("digits", or "digits:2" for a version), or datasets by role.
            space: hyper-parameter -> a list of values, or {"low": 0.01, "high": 0.3, "log": True, "step": ...}.
            model: gets the best one as its next version; None: nothing is registered.
            target: column to predict, for tables.
            hyperparameters: those that all trials share.
            objectives: figures to look for ("accuracy", "seconds"); the algorithm's own if left out.
            constraints: figure -> {"at_least": ...} or {"at_most": ...}.
            strategy: how the next values are chosen.
            max_trials: so many are tried.
            parallel_trials: so many at the same time.
            time_limit_seconds: after this no trial starts.
            early_stopping: ends trials that are behind, such as {"rule": "asha"}.
            warm_start: ids of tuning jobs whose trials count as if they had been tried here.
            population: trials of each generation, for the strategy pbt.
            seed: seeds every random choice.
            resources: limits of each trial.
            placement: queue, priority, spot, ... of each trial.

        Raises:
            InvalidInputError: a range, an objective or the strategy does not fit: the message says which.
        """
        body = {
            **_recipe(algorithm, data, target, hyperparameters, seed, model),
            **_wanted(space, objectives, constraints or {}),
            "strategy": strategy,
            "max_trials": max_trials,
            "parallel_trials": parallel_trials,
            "time_limit_seconds": time_limit_seconds,
            "early_stopping": early_stopping,
            "warm_start": [*warm_start],
            "population": population,
            **room_of(resources, placement),
        }
        return create(TuningJob, self._path(JOBS, "tuning-jobs"), body)

    @call
    def start_script(
        self,
        script: str | Path | Program,
        space: Mapping[str, Span],
        *,
        objectives: Sequence[str | Mapping[str, str]] = (),
        data: str | Mapping[str, str] | None = None,
        model: str | None = None,
        hyperparameters: Mapping[str, Scalar] | None = None,
        **search: Unpack[SearchOptions],
    ) -> Flow[TuningJob]:
        """Look for the best hyper-parameters of a script of one's own, or of an image; `wait` awaits it.

        Args:
            script: a Python file, or a `Program`: a folder with an entry point, requirements, metrics by pattern, ...
            space: hyper-parameter -> a list of values, or {"low": 1e-4, "high": 0.1, "log": True, "whole": ...}.
            objectives: figures that the script logs ("val_loss"), or {"metric": "val_loss", "direction": "minimise"};
                the first metric by pattern if left out. The last value that a trial logged counts.
            data: a dataset for the channel `train`, or datasets by channel.
            model: gets the model that the best trial has left as its next version; None: nothing is registered.
            hyperparameters: those that all trials share.
            search: the options of `start` from `strategy` on; and `kept_trials`, 5 if left out: so many of the best
                trials keep their files; None: all do.

        Raises:
            FileMissingError, CodeTooLargeError: there is no such file, or more than 16 MiB of code.
            InvalidInputError: a range, an objective or the program does not fit: the message says which.
        """
        program = script if isinstance(script, Program) else Program(script)
        body = {
            "script": (yield from program_of(self._path(JOBS, "snapshots"), program)),
            "channels": channels_of(data or {}),
            "model": model,
            "hyperparameters": dict(hyperparameters or {}),
            **_wanted(space, objectives, {}),
            **{name: value for name, value in search.items() if name not in ("resources", "placement")},
            **room_of(search.get("resources"), search.get("placement")),
        }
        return (yield from create(TuningJob, self._path(JOBS, "tuning-jobs"), body))

    @call
    def get(self, id: str) -> Flow[TuningJob]:
        """A tuning job as it is now."""
        return read(TuningJob, self._path(JOBS, "tuning-jobs", id))

    @call
    def wait(
        self, id: str, *, timeout_seconds: float | None = None, on_look: Callable[[TuningJob], None] | None = None
    ) -> Flow[TuningJob]:
        """Come back when it has completed.

        Raises:
            WaitFailedError: it failed or was stopped; the message says why.
            WaitTimeoutError: it is still under way.
        """

        def is_done(tuning: TuningJob) -> bool:
            if on_look:
                on_look(tuning)
            return tuning.status.is_final

        tuning = yield from wait_for(f"tuning job {id}", lambda: Tuning.get.flow(self, id), is_done, timeout_seconds)
        if tuning.status is not JobStatus.COMPLETED:
            raise WaitFailedError(
                f"tuning job {id} is {tuning.status}: {tuning.message}",
                hint=f"Its trials: modelyard tuning trials {id}",
            )
        return tuning

    @call
    def stop(self, id: str) -> Flow[TuningJob]:
        """Ask it to stop: trials that run are stopped, nothing is registered."""
        return act(TuningJob, self._path(JOBS, "tuning-jobs", id, "stop"))

    @call
    def importances(self, id: str) -> Flow[dict[str, dict[str, float]]]:
        """For each objective, the share of its variance that each hyper-parameter explains."""
        return read(dict[str, dict[str, float]], self._path(JOBS, "tuning-jobs", id, "importances"))

    @call
    def register(self, id: str, trial: int, model: str) -> Flow[Job]:
        """Train with the hyper-parameters of a trial and register the model; the training job."""
        return create(Job, self._path(JOBS, "tuning-jobs", id, "trials", str(trial), "register"), {"model": model})

    @listing
    def trials(self, id: str) -> Pages[Trial]:
        """In the order in which they began."""
        return pages(Trial, self._path(JOBS, "tuning-jobs", id, "trials"))

    @listing
    def list(self) -> Pages[TuningJob]:
        """Newest first."""
        return pages(TuningJob, self._path(JOBS, "tuning-jobs"))


def _recipe(
    algorithm: str,
    data: str | Mapping[str, str],
    target: str | None,
    hyperparameters: Mapping[str, Scalar] | None,
    seed: int,
    model: str | None,
) -> dict[str, object]:
    return {
        "algorithm": algorithm,
        "channels": channels_of(data),
        "target": target,
        "hyperparameters": dict(hyperparameters or {}),
        "seed": seed,
        "model": model,
    }


def _wanted(
    space: Mapping[str, Span],
    objectives: Sequence[str | Mapping[str, str]],
    constraints: Mapping[str, Mapping[str, float]],
) -> dict[str, object]:
    """Where is looked, and for what."""
    return {
        "space": {name: _span(span) for name, span in space.items()},
        "objectives": [{"metric": each} if isinstance(each, str) else dict(each) for each in objectives],
        "constraints": [{"metric": metric, **bounds} for metric, bounds in constraints.items()],
    }


def _span(span: Span) -> dict[str, object]:
    return dict(span) if isinstance(span, Mapping) else {"values": [*span]}
