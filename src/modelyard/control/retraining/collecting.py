"""First step of a run: the labelled captures become two dataset versions, everything together and the new rows alone."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from modelyard.control.captures.batches import BatchFilter
from modelyard.control.clients.contracts import JobsClient, RegistryClient
from modelyard.control.feedback.labelled import LabelledReader, LabelledRows
from modelyard.control.retraining.errors import RetrainingImpossibleError
from modelyard.data.extend import write_labelled
from modelyard.types.datasets import DatasetFormat, DatasetVersion
from modelyard.types.jobs import JobRecipe
from modelyard.types.models import DataReference, ModelVersion
from modelyard.types.monitoring import RetrainingRun
from modelyard.types.signatures import Scalar

_NAME_LIMIT = 63
_FEEDBACK_SUFFIX = "-feedback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """Dataset versions as "name:number", and what they hold."""

    base: str
    extended: str
    feedback: str
    rows: int
    until: datetime


class Collector:
    """Makes training data out of labelled captures. Repeating a call makes nothing twice."""

    def __init__(self, registry: RegistryClient, jobs: JobsClient, labelled: LabelledReader, folder: Path) -> None:
        self._registry = registry
        self._jobs = jobs
        self._labelled = labelled
        self._folder = folder

    def count(self, project: str, endpoint: str, since: datetime | None) -> int:
        """Labelled captured rows after `since`."""
        wanted = BatchFilter(project=project, endpoint=endpoint, since=since)
        parts = self._labelled.read(wanted, with_inputs=False)
        return sum(len(part.labels) for part in parts if since is None or part.until > since)

    def recipe(self, project: str, version: ModelVersion) -> JobRecipe:
        """The recipe that made a version.

        Raises:
            RetrainingImpossibleError: it was not trained here.
        """
        if version.lineage.job is None:
            raise RetrainingImpossibleError(
                f"{version.ref} was registered from outside and has no recipe to repeat",
                hint="Train a version with a training job and deploy that one.",
            )
        return self._jobs.job(project, version.lineage.job).recipe

    def collect(self, run: RetrainingRun, since: datetime | None) -> Collected:
        """Write the dataset versions of a run.

        Args:
            run: names the endpoint and the version to retrain.
            since: captures up to this time are in that version's training data already.

        Raises:
            RetrainingImpossibleError: no recipe, no training data, or no new labels.
        """
        version = self._registry.model_version(run.project, run.old_version)
        recipe = self.recipe(run.project, version)
        trained_on = _training_data(version)
        base = self._registry.dataset_version(trained_on.project, trained_on.dataset, trained_on.number)
        rows = self._rows(run, version, since)
        labels = _array([label for part in rows for label in part.labels])
        inputs = _joined([part.inputs for part in rows])
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="retraining-") as name:
            folder = Path(name)
            self._registry.download_dataset(base, folder / "base")
            write = _Writer(version, recipe, base.format, inputs, labels)
            extended = write.to(folder / "extended", folder / "base")
            feedback = write.to(folder / "feedback", None)
            source = {"run": run.id, "endpoint": run.endpoint, "new_rows": str(len(labels))}
            made = self._store(run, base.dataset, folder / "extended", extended, source, "extended")
            new = self._store(run, _feedback_name(base.dataset), folder / "feedback", feedback, source, "feedback")
        return Collected(
            base=_ref(base), extended=_ref(made), feedback=_ref(new), rows=len(labels), until=_newest(rows)
        )

    def _rows(self, run: RetrainingRun, version: ModelVersion, since: datetime | None) -> list[LabelledRows]:
        """Labelled rows in the order they happened, of every version with the same inputs."""
        names = {spec.name for spec in version.manifest.signature.inputs}
        wanted = BatchFilter(project=run.project, endpoint=run.endpoint, since=since)
        parts = [part for part in self._labelled.read(wanted) if part.labels and set(part.inputs) == names]
        parts = [part for part in parts if since is None or part.until > since]
        if not parts:
            raise RetrainingImpossibleError(
                f"Endpoint '{run.endpoint}' has no labelled captures that {version.ref} has not learnt from",
                hint="Send feedback for captured requests, then start again.",
            )
        return sorted(parts, key=lambda part: (part.since, part.until, part.version))

    def _store(
        self, run: RetrainingRun, dataset: str, content: Path, format: DatasetFormat, source: Mapping[str, str], key: str
    ) -> DatasetVersion:
        return self._registry.create_dataset_version(
            run.project,
            dataset,
            content,
            format,
            description=f"Made by retraining of endpoint '{run.endpoint}'",
            source=source,
            idempotency_key=f"{run.id}-{key}",
        )


class _Writer:
    """Writes the same labelled rows with and without the old ones."""

    def __init__(
        self, version: ModelVersion, recipe: JobRecipe, format: DatasetFormat, inputs: dict[str, Any], labels: Any
    ) -> None:
        self._arguments = (format, version.manifest.signature, inputs, labels, recipe.target)

    def to(self, output: Path, base: Path | None) -> DatasetFormat:
        """Returns the format that was written (image folders become npz)."""
        return write_labelled(base, *self._arguments, output)


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
    base = dataset[: _NAME_LIMIT - len(_FEEDBACK_SUFFIX)].rstrip("._-")
    return f"{base}{_FEEDBACK_SUFFIX}"


def _ref(version: DatasetVersion) -> str:
    return f"{version.dataset}:{version.number}"


def _joined(parts: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _array(labels: list[Scalar]) -> Any:
    """Labels of one type as NumPy would have them; mixed ones as text."""
    kinds = {type(label) for label in labels}
    return np.array(labels if len(kinds) == 1 or kinds == {int, float} else [str(label) for label in labels])


def _newest(rows: list[LabelledRows]) -> datetime:
    return max(part.until for part in rows)
