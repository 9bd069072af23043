"""Algorithms, environments, and the jobs that train and judge models."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from modelyard.sdk.calls import Lines, Mode, Pages, call, line_stream, listing
from modelyard.sdk.resource import JOBS, Resource, act, at, create, pages, read, send, update
from modelyard.sdk.resources.compute.scripts import ScriptJobs
from modelyard.sdk.resources.compute.waiting import OnLook, channels_of, limits_of, place_of
from modelyard.sdk.resources.datasets import Datasets
from modelyard.sdk.resources.debugging.rules import Rules, choices_of
from modelyard.sdk.steps import Flow, Request
from modelyard.types.compute.scheduling import Placement, Schedule
from modelyard.types.debugging.profiles import Profile
from modelyard.types.debugging.rules import RuleDescription
from modelyard.types.jobs import AlgorithmDescription, Environment, Job, JobKind, JobStatus, MetricPoint
from modelyard.types.processes import Resources
from modelyard.types.scripting.reruns import Verification
from modelyard.types.signatures import Scalar


class Algorithms(Resource[Mode]):
    """Built-in training algorithms."""

    @call
    def get(self, name: str) -> Flow[AlgorithmDescription]:
        """What an algorithm takes and measures."""
        return read(AlgorithmDescription, at(JOBS, "algorithms", name))

    @listing
    def list(self) -> Pages[AlgorithmDescription]:
        """All of them."""
        return pages(AlgorithmDescription, at(JOBS, "algorithms"))


_BUILD_SECONDS = 3600.0  # packages are fetched and installed


class Environments(Resource[Mode]):
    """Locked sets of packages that jobs and models run with. Every project shares them, and none ever changes."""

    @call
    def get(self, name: str) -> Flow[Environment]:
        """An environment with its packages and its lock."""
        return read(Environment, at(JOBS, "environments", name))

    @call
    def build(
        self, name: str, *, requirements: str | None = None, lock: str | None = None, python: str | None = None
    ) -> Flow[Environment]:
        """Lock an environment, build it, and give it a name. A ready-made one needs no more than its name.

        Args:
            name: what models name it by.
            requirements: the content of a requirements.txt.
            lock: the content of a lock with hashes, in its place.
            python: "3.11"; the platform's own.
        """
        body = {"name": name, "requirements": requirements, "lock": lock, "python": python}
        return act(Environment, at(JOBS, "environments"), body, timeout_seconds=_BUILD_SECONDS)

    @listing
    def list(self) -> Pages[Environment]:
        """The installation's own (`builtin`), ready-made ones, and those that somebody has made."""
        return pages(Environment, at(JOBS, "environments"))


class Jobs(ScriptJobs[Mode]):
    """Work that ends: training, evaluation, batch inference, code of one's own."""

    @call
    def train(
        self,
        algorithm: str,
        data: str | Mapping[str, str],
        *,
        model: str,
        target: str | None = None,
        hyperparameters: Mapping[str, Scalar] | None = None,
        seed: int = 0,
        resources: Resources | None = None,
        placement: Placement | None = None,
        rules: Rules = (),
        wait: bool = False,
        timeout_seconds: float | None = None,
        on_look: OnLook | None = None,
    ) -> Flow[Job]:
        """Train a model and register what comes out as the next version of `model`.

        Args:
            algorithm: "image-classification", ...; see `client.algorithms`.
            data: a dataset ("digits", or "digits:2" for a version), or datasets by role: {"train": "digits:2"}.
            model: name that the version is registered under.
            target: column to predict, for tables.
            hyperparameters: overrides of the algorithm's defaults.
            seed: seeds every random choice; same seed and data, same model.
            resources: limits of the job.
            placement: queue, priority, spot, a deadline for its start, ...: when and where it may start.
            rules: how rules on live figures are applied where not as usual ("overfitting:stop"); see `rules`.
            wait: come back when the job has ended, and fail if it failed.
            timeout_seconds: how long to wait; None waits for ever.
            on_look: called with the job whenever the waiting looked at it.

        Raises:
            InvalidInputError: unknown hyper-parameter, value out of range, ...: the message says which.
            WaitFailedError: `wait` was asked for and the job did not complete.
        """
        body = {
            "algorithm": algorithm,
            "channels": channels_of(data),
            "model": model,
            "hyperparameters": dict(hyperparameters or {}),
            "seed": seed,
            "target": target,
            "resources": limits_of(resources),
            "schedule": place_of(placement),
            "rules": choices_of(rules),
        }
        return self._submitted("training-jobs", body, wait=wait, timeout_seconds=timeout_seconds, on_look=on_look)

    @call
    def evaluate(
        self,
        candidates: Sequence[str],
        data: str | Mapping[str, str],
        *,
        target: str | None = None,
        resources: Resources | None = None,
        placement: Placement | None = None,
    ) -> Flow[Job]:
        """Measure model versions ("digits:2") on the held-out rows of every dataset."""
        body = {
            "candidates": [*candidates],
            "channels": channels_of(data),
            "target": target,
            "resources": limits_of(resources),
            "schedule": place_of(placement),
        }
        return create(Job, self._path(JOBS, "evaluation-jobs"), body)

    @call
    def batch(
        self,
        model: str,
        *,
        output: str,
        dataset: str | None = None,
        file: str | Path | None = None,
        object: str | None = None,
        url: str | None = None,
        format: str | None = None,
        keep: Sequence[str] | None = None,
        prefix: str = "",
        resources: Resources | None = None,
        wait: bool = False,
        timeout_seconds: float | None = None,
        on_look: OnLook | None = None,
    ) -> Flow[Job]:
        """Answer every row of some data by a model version; the answers become a version of the dataset `output`.

        Args:
            model: "houses" (the newest), "houses:3" or "houses@champion"; it needs no endpoint.
            output: name of the dataset.
            dataset: a dataset version to answer ("new-houses:2"),
            file: or a CSV or Parquet file, which becomes a version of the dataset `<output>-input`,
            object: or the key of an object under `inputs/<project>/` in the platform's store,
            url: or an `https://` address that the platform's operator allows.
            format: "csv" or "parquet", where the name of an object or address does not say it.
            keep: columns of the data that stand beside the answers, such as a key; None keeps all.
            prefix: of the answers' columns, where the data has columns of the same names.
            resources: limits of the job.
            wait: come back when the job has ended, and fail if it failed.
            timeout_seconds: how long to wait; None waits for ever.
            on_look: called with the job whenever the waiting looked at it; `job.progress` says how far it is.

        Returns:
            The job; `result["dataset"]` names the version that it made.

        Raises:
            InvalidInputError: the data lacks a column, ...: the message says which.
            WaitFailedError: `wait` was asked for and the job did not complete.
        """
        if file is not None:
            made = yield from Datasets.upload.flow(Datasets(self._driver, self._project), f"{output}-input", file)
            dataset = f"{made.dataset}:{made.number}"
        source = {"dataset": dataset, "object": object, "url": url}
        body = {
            "model": model,
            "source": {name: value for name, value in source.items() if value is not None},
            "format": format,
            "output": output,
            "keep": None if keep is None else [*keep],
            "prefix": prefix,
            "resources": limits_of(resources),
        }
        return (
            yield from self._submitted("batch-jobs", body, wait=wait, timeout_seconds=timeout_seconds, on_look=on_look)
        )

    @line_stream
    def logs(self, id: str, *, follow: bool = False, rank: int = 0) -> Lines:
        """What the job printed, or the member `rank` of a gang on several machines; with `follow` until it ends."""
        return Lines(self._path(JOBS, "jobs", id, "logs"), {"follow": str(follow).lower(), "rank": str(rank)})

    @listing
    def metrics(self, id: str) -> Pages[MetricPoint]:
        """Metric values in the order in which they came."""
        return pages(MetricPoint, self._path(JOBS, "jobs", id, "metrics"))

    @listing
    def rules(self) -> Pages[RuleDescription]:
        """The rules on live figures, each with its thresholds; `findings` of a job has what they found."""
        return pages(RuleDescription, at(JOBS, "rules"))

    @call
    def profile(self, id: str) -> Flow[Profile]:
        """What the job's processes used, second by second, and in words what limits it; also while it runs."""
        return read(Profile, self._path(JOBS, "jobs", id, "profile"))

    @call
    def profile_picture(self, id: str) -> Flow[str]:
        """The profile as SVG."""
        response = yield from send(Request(method="GET", path=self._path(JOBS, "jobs", id, "profile.svg")))
        return response.content.decode()

    @call
    def stop(self, id: str) -> Flow[Job]:
        """Ask a job to stop; no effect if it has ended."""
        return act(Job, self._path(JOBS, "jobs", id, "stop"))

    @call
    def rerun(self, id: str, *, wait: bool = False) -> Flow[Job]:
        """Run a training or script job again from its record: same data, code, packages, seed and limits.

        A model that comes out the same, to the byte, is the version that there is already; `verification` compares.

        Raises:
            ConflictError: the job has not completed, or makes nothing to compare.
            WaitFailedError: `wait` was asked for and the job did not complete.
        """
        job = yield from create(Job, self._path(JOBS, "jobs", id, "rerun"), None)
        return (yield from Jobs.wait.flow(self, job.id)) if wait else job

    @call
    def verification(self, id: str) -> Flow[Verification]:
        """Whether a rerun made what the job before it made; each file that differs, by its digest."""
        return read(Verification, self._path(JOBS, "jobs", id, "verification"))

    @call
    def hold(self, id: str) -> Flow[Schedule]:
        """Keep a waiting job from starting; it keeps its place."""
        return act(Schedule, self._path(JOBS, "jobs", id, "hold"))

    @call
    def release(self, id: str) -> Flow[Schedule]:
        """Let a held job start."""
        return act(Schedule, self._path(JOBS, "jobs", id, "release"))

    @call
    def rank(self, id: str, *, priority: int | None = None, queue: str | None = None) -> Flow[Schedule]:
        """Give a waiting job another priority (-10 to 10) or queue."""
        return update(Schedule, self._path(JOBS, "jobs", id, "schedule"), {"priority": priority, "queue": queue}, None)

    @call
    def move(self, id: str, *, before: str) -> Flow[Schedule]:
        """Move a waiting job before another one of the same project and queue."""
        return act(Schedule, self._path(JOBS, "jobs", id, "move"), {"before": before})

    @listing
    def list(self, *, status: JobStatus | None = None, kind: JobKind | None = None) -> Pages[Job]:
        """Jobs, newest first."""
        return pages(Job, self._path(JOBS, "jobs"), {"status": status, "kind": kind})
