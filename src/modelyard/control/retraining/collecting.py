"""First step of a run: labelled captures become dataset versions, once with the old rows and once alone."""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from modelyard.control.captures.batches import BatchFilter
from modelyard.control.clients.contracts import JobsClient, RegistryClient
from modelyard.control.feedback.labelled import LabelledReader, LabelledRows
from modelyard.control.feedback.service import FeedbackService
from modelyard.control.retraining.errors import RetrainingImpossibleError
from modelyard.data.extend import write_labelled
from modelyard.data.newest import keep_newest
from modelyard.kit.files import sha256_file
from modelyard.runtimes.base import Tensors
from modelyard.types.datasets import DatasetFormat, DatasetVersion
from modelyard.types.jobs import JobRecipe
from modelyard.types.models import DataReference, ModelVersion
from modelyard.types.monitoring import RetrainingRun
from modelyard.types.retraining.rules import DataWindow, WindowKind
from modelyard.types.signatures import Scalar

_NAME_LIMIT = 63
_FEEDBACK_SUFFIX = "-feedback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """Dataset versions as "name:number": the old training data, it with the new rows, the new rows alone."""

    base: str
    extended: str
    feedback: str
    rows: int


class Collector:
    """Makes training data out of labelled captures.

    Args:
        registry: holds the versions and datasets.
        jobs: knows the recipes.
        labelled: captures with their truth.
        feedback: remembers what a run has used.
        folder: for temporary files as large as the training data; existing.
    """

    def __init__(
        self,
        registry: RegistryClient,
        jobs: JobsClient,
        labelled: LabelledReader,
        feedback: FeedbackService,
        folder: Path,
    ) -> None:
        self._registry = registry
        self._jobs = jobs
        self._labelled = labelled
        self._feedback = feedback
        self._folder = folder

    def count(self, project: str, endpoint: str) -> int:
        """Labelled captured rows that no run has used."""
        return sum(len(part.labels) for part in self._labelled.read_new(project, endpoint, "", with_inputs=False))

    def version(self, project: str, ref: str) -> str:
        """The version's ref with its number, whichever way it was named.

        Raises:
            NotFoundError: there is none.
        """
        return self._registry.model_version(project, ref).ref

    def recipe(self, project: str, version: str) -> JobRecipe:
        """The recipe that made a version ("digits:2").

        Raises:
            RetrainingImpossibleError: it was not trained here.
        """
        found = self._registry.model_version(project, version)
        if found.lineage.job is None:
            raise RetrainingImpossibleError(
                f"{found.ref} was registered from outside and has no recipe to repeat",
                hint="Train a version with a training job and deploy that one.",
            )
        recipe = self._jobs.job(project, found.lineage.job).recipe
        if recipe.automl is None:
            return recipe
        card = found.manifest.card  # the search is over: its winner is what is trained again
        return replace(recipe, algorithm=card.algorithm, hyperparameters=dict(card.hyperparameters), automl=None)

    def mark(self, run: RetrainingRun) -> int:
        """Reserve the new labelled rows for `run`; returns how many rows are reserved.

        Raises:
            RetrainingImpossibleError: there are none.
        """
        ids: list[str] = []
        rows = 0
        for part in self._labelled.read_new(run.project, run.endpoint, run.id, with_inputs=False):
            ids += part.ids
            rows += len(part.labels)
        if not rows:
            raise RetrainingImpossibleError(
                f"Endpoint '{run.endpoint}' has no labelled captures that no run has used",
                hint="Send feedback for captured requests, then start again.",
            )
        self._feedback.mark(run.project, run.endpoint, ids, run.id)
        return rows

    def collect(self, run: RetrainingRun, window: DataWindow) -> Collected:
        """Write the dataset versions of a run out of the rows that `mark` reserved. Repeated, it makes nothing twice.

        `window` chooses what is trained on; what is judged on are the old data and all new rows, whatever it says.

        Raises:
            RetrainingImpossibleError: no recipe, no training data, or rows of another signature only.
        """
        version = self._registry.model_version(run.project, run.old_version)
        target = self.recipe(run.project, run.old_version).target
        trained_on = _training_data(version)
        base = self._registry.dataset_version(trained_on.project, trained_on.dataset, trained_on.number)
        new = self._parts(run, version)
        taught = self._since(run, version, window.since) if window.kind is WindowKind.SINCE and window.since else new
        repeated = window.weight if window.kind is WindowKind.WEIGHTED else 1
        made: list[DatasetVersion] = []
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="retraining-") as name:
            old = Path(name, "old")
            self._registry.download_dataset(base, old)
            start = None if window.kind is WindowKind.SINCE else old
            for dataset, begin, parts in (
                (base.dataset, start, [*taught] * repeated),
                (_feedback_name(base.dataset), None, new),
            ):
                content = Path(name, "new")
                inputs, labels = _joined(parts)
                written = write_labelled(
                    begin,
                    base.format,
                    version.manifest.signature,
                    inputs,
                    labels,
                    target,
                    content,
                    frozenset[str]().union(*(part.masked for part in parts)),
                )
                if window.kind is WindowKind.NEWEST and window.rows and dataset == base.dataset:
                    keep_newest(content, written, window.rows)
                made.append(self._store(run, dataset, content, written, len(labels)))
        extended, feedback = made
        rows = sum(len(part.labels) for part in new)
        return Collected(base=_ref(base), extended=_ref(extended), feedback=_ref(feedback), rows=rows)

    def _parts(self, run: RetrainingRun, version: ModelVersion) -> Sequence[LabelledRows]:
        """The reserved rows in the order they happened, of every version that takes the same inputs."""
        reserved = self._labelled.read_new(run.project, run.endpoint, run.id, is_reserved=True)
        return self._in_order(run, version, reserved)

    def _since(self, run: RetrainingRun, version: ModelVersion, since: datetime) -> Sequence[LabelledRows]:
        """All labelled rows from a moment on, also those that earlier runs have learnt from."""
        wanted = BatchFilter(project=run.project, endpoint=run.endpoint, since=since, until=run.started_at)
        return self._in_order(run, version, self._labelled.read(wanted))

    def _in_order(
        self, run: RetrainingRun, version: ModelVersion, found: Iterable[LabelledRows]
    ) -> Sequence[LabelledRows]:
        names = {spec.name for spec in version.manifest.signature.inputs}
        parts = [part for part in found if set(part.inputs) == names and part.labels]
        if not parts:
            raise RetrainingImpossibleError(
                f"No labelled capture of endpoint '{run.endpoint}' has the inputs of {version.ref}",
                hint="Send feedback for requests that this version answered.",
            )
        return sorted(parts, key=lambda part: (part.since, part.until, part.version))

    def _store(
        self, run: RetrainingRun, dataset: str, content: Path, format: DatasetFormat, rows: int
    ) -> DatasetVersion:
        return self._registry.create_dataset_version(
            run.project,
            dataset,
            content,
            format,
            description=f"Made by the retraining of endpoint '{run.endpoint}' with {rows} new labelled rows",
            source={"run": run.id, "endpoint": run.endpoint},
            idempotency_key=f"{run.id}-{dataset}-{sha256_file(content)[:16]}",
        )


def parse_ref(ref: str) -> tuple[str, int]:
    """Take "digits:2" apart: ("digits", 2)."""
    name, _, number = ref.rpartition(":")
    return name, int(number)


def _training_data(version: ModelVersion) -> DataReference:
    found = next((data for data in version.lineage.datasets if data.role == "train"), None)
    if found is None:
        raise RetrainingImpossibleError(
            f"The lineage of {version.ref} names no training data", hint="Train it from a dataset version."
        )
    return found


def _feedback_name(dataset: str) -> str:
    return f"{dataset[: _NAME_LIMIT - len(_FEEDBACK_SUFFIX)].rstrip('._-')}{_FEEDBACK_SUFFIX}"


def _ref(version: DatasetVersion) -> str:
    return f"{version.dataset}:{version.number}"


def _joined(parts: Sequence[LabelledRows]) -> tuple[Tensors, Any]:
    inputs = {name: np.concatenate([part.inputs[name] for part in parts]) for name in parts[0].inputs}
    return inputs, _labels([label for part in parts for label in part.labels])


def _labels(labels: Sequence[Scalar]) -> Any:
    """Labels of one type as NumPy would have them; mixed ones as text."""
    kinds = {type(label) for label in labels}
    return np.array(labels if len(kinds) == 1 or kinds == {int, float} else [str(label) for label in labels])
