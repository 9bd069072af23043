"""The Registry in another process, over its REST API."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from modelyard.control.clients.bundle_folders import fetch_checked, write_bundle
from modelyard.control.clients.http import HttpApplication
from modelyard.control.models.bundles import bundle_files
from modelyard.control.models.references import parse_ref
from modelyard.errors import NotFoundError
from modelyard.types.access import Principal, Project
from modelyard.types.compute.scheduling import Quota
from modelyard.types.datasets import DatasetFormat, DatasetVersion, VersionDraft
from modelyard.types.models import Evaluation, Lineage, Model, ModelVersion
from modelyard.types.routing import RouteToken
from modelyard.types.uploads import Upload

_PIECE_BYTES = 8 << 20


class HttpRegistryClient:
    """RegistryClient over HTTP.

    Creations need no idempotency key here: a dataset or model version with equal content is the same version.

    Args:
        url: of the platform, e.g. "http://10.0.0.1:8470".
        token: an administrator's, of no project.
    """

    def __init__(self, url: str, token: str) -> None:
        self._registry = HttpApplication(f"{url.rstrip('/')}/registry/v1", token)

    def close(self) -> None:
        """Close the connections."""
        self._registry.close()

    def authenticate(self, secret: str) -> Principal:
        """See RegistryClient."""
        return self._registry.call("POST", "/introspect", Principal, body={"secret": secret})

    def route_tokens(self) -> list[RouteToken]:
        """See RegistryClient."""
        return self._registry.call("GET", "/route-tokens", list[RouteToken])

    def project_exists(self, project: str) -> bool:
        """See RegistryClient."""
        try:
            self._registry.call("GET", _path("projects", project), Project)
        except NotFoundError:
            return False
        return True

    def permits_code(self, project: str) -> bool:
        """See RegistryClient."""
        try:
            return bool(self._registry.call("GET", _path("projects", project), Project).code_permission)
        except NotFoundError:
            return False

    def quota(self, project: str) -> Quota:
        """See RegistryClient."""
        try:
            return self._registry.call("GET", _path("projects", project), Project).quota
        except NotFoundError:
            return Quota()

    def idle_after_hours(self, project: str) -> float | None:
        """See RegistryClient."""
        try:
            return self._registry.call("GET", _path("projects", project), Project).idle_after_hours
        except NotFoundError:
            return None

    def dataset_version(self, project: str, dataset: str, number: int | None = None) -> DatasetVersion:
        """See RegistryClient."""
        return self._registry.call("GET", _dataset(project, dataset, number), DatasetVersion)

    def download_dataset(self, version: DatasetVersion, target: Path) -> None:
        """See RegistryClient."""
        path = _dataset(version.project, version.dataset, version.number) + "/content"
        fetch_checked(target, version.digest, lambda partial: self._registry.download(path, partial))

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
        body = {
            "upload": self._upload(project, content),
            "format": format,
            "description": description,
            "source": dict(source),
        }
        path = _path("projects", project, "datasets", dataset, "versions")
        return self._registry.call("POST", path, DatasetVersion, body=body)

    def create_dataset_versions(self, project: str, drafts: Sequence[VersionDraft]) -> list[DatasetVersion]:
        """See RegistryClient."""
        versions = [
            {
                "dataset": draft.dataset,
                "upload": self._upload(project, draft.content),
                "format": draft.format,
                "description": draft.description,
                "source": dict(draft.source),
            }
            for draft in drafts
        ]
        path = _path("projects", project, "dataset-versions")
        return self._registry.call("POST", path, list[DatasetVersion], body={"versions": versions})

    def model_version(self, project: str, ref: str) -> ModelVersion:
        """See RegistryClient."""
        name, selector = parse_ref(ref)
        path = _path("projects", project, "models", name, "versions", str(selector).removeprefix(":"))
        return self._registry.call("GET", path, ModelVersion)

    def download_model(self, version: ModelVersion, target: Path) -> None:
        """See RegistryClient."""
        folder = _path("projects", version.project, "models", version.model, "versions", str(version.number), "files")
        write_bundle(version, target, lambda file, path: self._registry.download(f"{folder}/{quote(file.path)}", path))

    def register_model(
        self, project: str, model: str, bundle: Path, lineage: Lineage, *, idempotency_key: str
    ) -> ModelVersion:
        """See RegistryClient."""
        del idempotency_key
        files = {path: self._upload(project, file) for path, file in bundle_files(bundle).items()}
        path = _path("projects", project, "models", model, "versions")
        return self._registry.call("POST", path, ModelVersion, body={"files": files, "lineage": lineage})

    def set_alias(self, project: str, model: str, alias: str, number: int) -> None:
        """See RegistryClient."""
        path = _path("projects", project, "models", model, "aliases", alias)
        self._registry.call("PUT", path, Model, body={"number": number})

    def record_evaluation(self, project: str, model: str, number: int, evaluation: Evaluation) -> None:
        """See RegistryClient."""
        path = _path("projects", project, "models", model, "versions", str(number), "evaluations", evaluation.name)
        body = {
            "is_passed": evaluation.is_passed,
            "reason": evaluation.reason,
            "figures": evaluation.figures,
            "at": evaluation.at,
        }
        self._registry.call("PUT", path, ModelVersion, body=body)

    def record_deployments(self, project: str, endpoint: str, refs: Sequence[str]) -> None:
        """See RegistryClient."""
        path = _path("projects", project, "deployments", endpoint)
        self._registry.call("PUT", path, list[ModelVersion], body={"refs": list(refs)})

    def _upload(self, project: str, content: Path) -> str:
        """The id of a new upload with the content of a file, sent piece by piece."""
        uploads = _path("projects", project, "uploads")
        body = {"filename": content.name, "size_bytes": content.stat().st_size}
        upload = self._registry.call("POST", uploads, Upload, body=body)
        with content.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                headers = {"Upload-Offset": str(upload.offset)}
                upload = self._registry.call("PATCH", f"{uploads}/{upload.id}", Upload, content=piece, headers=headers)
        return upload.id


def _path(*parts: str) -> str:
    return "/" + "/".join(quote(part, safe="@") for part in parts)


def _dataset(project: str, dataset: str, number: int | None) -> str:
    return _path("projects", project, "datasets", dataset, "versions", "latest" if number is None else str(number))
