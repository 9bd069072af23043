"""The Registry in the same process: direct calls of its services."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from modelyard.control.access.service import AccessService
from modelyard.control.clients.bundle_folders import fetch_checked, write_bundle
from modelyard.control.datasets.versions import DatasetVersionService, VersionRequest
from modelyard.control.models.bundles import bundle_files
from modelyard.control.models.registration import RegistrationService, Submission
from modelyard.control.models.service import ModelService
from modelyard.control.projects.service import ProjectService
from modelyard.types.access import Principal
from modelyard.types.compute.scheduling import Quota
from modelyard.types.datasets import DatasetFormat, DatasetVersion, VersionDraft
from modelyard.types.models import Evaluation, Lineage, ModelVersion
from modelyard.types.routing import RouteToken

CALLER = "modelyard"
"""Stands as creator where a call has no caller of its own."""


class InProcessRegistryClient:
    """RegistryClient of a process that holds the registry itself.

    Creations need no idempotency key here: a dataset or model version with equal content is the same version.
    """

    def __init__(
        self,
        *,
        access: AccessService,
        projects: ProjectService,
        dataset_versions: DatasetVersionService,
        models: ModelService,
        registration: RegistrationService,
    ) -> None:
        self._access = access
        self._projects = projects
        self._dataset_versions = dataset_versions
        self._models = models
        self._registration = registration

    def authenticate(self, secret: str) -> Principal:
        """See RegistryClient."""
        return self._access.authenticate(secret)

    def route_tokens(self) -> list[RouteToken]:
        """See RegistryClient."""
        return self._access.route_tokens()

    def project_exists(self, project: str) -> bool:
        """See RegistryClient."""
        return self._projects.exists(project)

    def permits_code(self, project: str) -> bool:
        """See RegistryClient."""
        return self._projects.permits_code(project)

    def quota(self, project: str) -> Quota:
        """See RegistryClient."""
        return self._projects.quota(project)

    def idle_after_hours(self, project: str) -> float | None:
        """See RegistryClient."""
        return self._projects.idle_after_hours(project)

    def dataset_version(self, project: str, dataset: str, number: int | None = None) -> DatasetVersion:
        """See RegistryClient."""
        return self._dataset_versions.get(project, dataset, number)

    def download_dataset(self, version: DatasetVersion, target: Path) -> None:
        """See RegistryClient."""
        fetch_checked(target, version.digest, lambda path: self._dataset_versions.download(version, path))

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
        """See RegistryClient."""
        del idempotency_key
        request = VersionRequest(
            project=project,
            dataset=dataset,
            format=format,
            description=description,
            source=source,
            created_by=CALLER,
        )
        return self._dataset_versions.create_from_file(request, content, None)

    def create_dataset_versions(self, project: str, drafts: Sequence[VersionDraft]) -> Sequence[DatasetVersion]:
        """See RegistryClient."""
        requests = [
            VersionRequest(
                project=project,
                dataset=draft.dataset,
                format=draft.format,
                description=draft.description,
                source=draft.source,
                created_by=CALLER,
            )
            for draft in drafts
        ]
        contents = [draft.content for draft in drafts]
        return self._dataset_versions.create_from_files([*zip(requests, contents, strict=True)])

    def model_version(self, project: str, ref: str) -> ModelVersion:
        """See RegistryClient."""
        return self._models.version_by_ref(project, ref)

    def download_model(self, version: ModelVersion, target: Path) -> None:
        """See RegistryClient."""
        write_bundle(version, target, self._models.download)

    def register_model(
        self, project: str, model: str, bundle: Path, lineage: Lineage, *, idempotency_key: str
    ) -> ModelVersion:
        """See RegistryClient."""
        del idempotency_key
        return self._registration.register(project, model, bundle_files(bundle), Submission(lineage=lineage))

    def set_alias(self, project: str, model: str, alias: str, number: int) -> None:
        """See RegistryClient."""
        self._models.set_alias(project, model, alias, number)

    def record_evaluation(self, project: str, model: str, number: int, evaluation: Evaluation) -> None:
        """See RegistryClient."""
        self._models.record_evaluation(project, model, str(number), evaluation)

    def record_deployments(self, project: str, endpoint: str, refs: Sequence[str]) -> None:
        """See RegistryClient."""
        self._models.record_deployments(project, endpoint, refs)
