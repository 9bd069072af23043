"""What one application may ask of another. Implementations: `http` (other process) and `inprocess` (same process).

Every method raises the same errors.ModelyardError types in both, UnavailableError when the other one cannot be
reached. All are safe to call from any thread. Calls that create take an idempotency key: a repeated call with the same
key answers with what the first one made.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from modelyard.types.access import Principal
from modelyard.types.compute.costs import Budget
from modelyard.types.compute.scheduling import Quota
from modelyard.types.datasets import DatasetFormat, DatasetVersion, VersionDraft
from modelyard.types.debugging.rules import Finding
from modelyard.types.endpoints import Endpoint, Event
from modelyard.types.jobs import Job, JobRecipe
from modelyard.types.models import Evaluation, Lineage, ModelVersion
from modelyard.types.routing import RouteToken
from modelyard.types.tuning.jobs import TuningJob
from modelyard.types.tuning.searches import TuningRules


class RegistryClient(Protocol):
    """The Registry API as Jobs and Operations see it."""

    def authenticate(self, secret: str) -> Principal:
        """Who holds this token. Raises UnauthenticatedError."""

    def route_tokens(self) -> Sequence[RouteToken]:
        """Every token that may call models, for the gateway's routing table: digests, never secrets."""

    def project_exists(self, project: str) -> bool:
        """True if there is such a project."""

    def permits_code(self, project: str) -> bool:
        """True if the project permits code in writing; False if there is no such project."""

    def quota(self, project: str) -> Quota:
        """What the project may have; no limit at all if there is no such project."""

    def idle_after_hours(self, project: str) -> float | None:
        """After how long without a request its endpoints rest; None: it says nothing, or there is no such project."""

    def dataset_version(self, project: str, dataset: str, number: int | None = None) -> DatasetVersion:
        """A dataset version, the newest if `number` is None. Raises NotFoundError."""

    def download_dataset(self, version: DatasetVersion, target: Path) -> None:
        """Write the content to `target` (atomic; checked against the digest)."""

    def create_dataset_version(
        self,
        project: str,
        dataset: str,
        content: Path,
        format: DatasetFormat,
        *,
        description: str,
        source: Mapping[str, str],
        idempotency_key: str,
    ) -> DatasetVersion:
        """A new version of `dataset` (made if absent) from a local file."""

    def create_dataset_versions(self, project: str, drafts: Sequence[VersionDraft]) -> Sequence[DatasetVersion]:
        """New versions of several datasets (made if absent), all of them or none; equal content is the same version."""

    def model_version(self, project: str, ref: str) -> ModelVersion:
        """By "name", "name:3" or "name@alias"; a bare name is the newest. Raises NotFoundError."""

    def download_model(self, version: ModelVersion, target: Path) -> None:
        """Write the version's whole bundle into the folder `target` (files checked against their digests)."""

    def register_model(
        self, project: str, model: str, bundle: Path, lineage: Lineage, *, idempotency_key: str
    ) -> ModelVersion:
        """A new version of `model` (made if absent) from a bundle folder."""

    def set_alias(self, project: str, model: str, alias: str, number: int) -> None:
        """Point `model@alias` to a version."""

    def record_evaluation(self, project: str, model: str, number: int, evaluation: Evaluation) -> None:
        """Add a verdict to a version; the same name replaces the earlier one."""

    def record_deployments(self, project: str, endpoint: str, refs: Sequence[str]) -> None:
        """Say which versions ("digits:2") an endpoint now serves; none when it is stopped or deleted."""


class JobsClient(Protocol):
    """The Jobs API as Operations sees it."""

    def create_training_job(self, project: str, recipe: JobRecipe, model: str, *, idempotency_key: str) -> Job:
        """Submit a training job that registers a version of `model`."""

    def create_evaluation_job(self, project: str, recipe: JobRecipe, *, idempotency_key: str) -> Job:
        """Judge `recipe.candidates` on the held-out rows of every channel.

        The job's result has "<channel>/<ref>/<metric>" -> value, and ".../low", ".../high", ".../n" of each.
        """

    def create_replay_job(self, project: str, recipe: JobRecipe, *, idempotency_key: str) -> Job:
        """Send the captured requests of the channel "requests" to both of `recipe.candidates`.

        The first is the running version. The job's result is what algorithms.replay.replay says.
        """

    def create_tuning_job(
        self, project: str, recipe: JobRecipe, model: str, rules: TuningRules, *, idempotency_key: str
    ) -> TuningJob:
        """Look for hyper-parameters of a recipe; the best make a version of `model`."""

    def tuning_job(self, project: str, tuning_id: str) -> TuningJob:
        """A tuning job. Raises NotFoundError."""

    def job(self, project: str, job_id: str) -> Job:
        """A job. Raises NotFoundError."""

    def stop_job(self, project: str, job_id: str) -> None:
        """Ask a job to stop; no effect if it has ended."""

    def budgets(self) -> Sequence[Budget]:
        """Every project's budget with what is spent of it in this month."""

    def untold_findings(self) -> Sequence[Finding]:
        """What rules have found on jobs of every project and nobody was told yet, the oldest first."""

    def note_findings_told(self, ids: Sequence[int]) -> None:
        """People have been told of these."""


class OperationsClient(Protocol):
    """The Operations API as Jobs sees it."""

    def deploy(
        self,
        project: str,
        endpoint: str,
        ref: str,
        *,
        replicas: int,
        rollout: Mapping[str, object] | None,
        idempotency_key: str,
    ) -> Endpoint:
        """Serve a version ("digits:2") at an endpoint: make it, or move all its traffic over.

        `rollout` is what a change of an endpoint takes ({"strategy": "canary"}); None: all at once. Nothing changes if
        the endpoint serves the version alone already, or is about to.
        """

    def endpoint(self, project: str, name: str) -> Endpoint:
        """An endpoint as it is now. Raises NotFoundError."""

    def newest_event(self, project: str) -> int:
        """The sequence number of the project's newest event; 0 if there is none."""

    def events(self, project: str, after: int) -> Sequence[tuple[int, Event]]:
        """Events after that of this sequence number, oldest first, each with its own; the first of many."""

    def announce(
        self,
        project: str,
        subject: str,
        kind: str,
        message: str,
        details: Mapping[str, str],
        *,
        idempotency_key: str,
    ) -> None:
        """Make an event of a kind that begins with "pipeline_", which goes to every channel that takes it."""
