"""MLflow's artifacts are objects of the platform's object store, under `mlflow/`."""

import os
import posixpath
from pathlib import Path

from mlflow.entities import FileInfo
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST
from mlflow.store.artifact.artifact_repo import ArtifactRepository, verify_artifact_path

from modelyard.facades.mlflow.platform import in_mlflow_words
from modelyard.kit.files import inside
from modelyard.storage.objects import ObjectNotFoundError, open_objects

OBJECTS_VARIABLE = "MODELYARD_OBJECTS_URL"
_ROOT = "mlflow"


class ObjectStoreArtifacts(ArtifactRepository):  # type: ignore[misc] # MLflow is not installed where types are checked
    """Entry point `mlflow.artifact_repository`: files on this machine or an S3 bucket, as the platform was told."""

    def __init__(self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        self._objects = open_objects(os.environ[OBJECTS_VARIABLE])

    @in_mlflow_words
    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Store a file in the folder `artifact_path`."""
        verify_artifact_path(artifact_path)
        self._objects.put_file(_key(artifact_path, Path(local_file).name), Path(local_file))

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Store all files of a folder."""
        for file in sorted(Path(local_dir).rglob("*")):
            if file.is_file():
                folder = file.parent.relative_to(local_dir).as_posix()
                self.log_artifact(str(file), posixpath.normpath(posixpath.join(artifact_path or "", folder)))

    @in_mlflow_words
    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """What lies in the folder `path` itself."""
        base = _key(path)
        files: dict[str, FileInfo] = {}
        for info in self._objects.list(base):
            name, _, deeper = info.key.removeprefix(f"{base}/").partition("/")
            own = posixpath.join(path or "", name)
            files[name] = FileInfo(own, bool(deeper), None if deeper else info.size_bytes)
        return [files[name] for name in sorted(files)]

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        try:
            self._objects.download(_key(remote_file_path), Path(local_path))
        except ObjectNotFoundError as error:
            raise MlflowException(f"No such artifact: '{remote_file_path}'", RESOURCE_DOES_NOT_EXIST) from error

    def copy_folder(self, path: str, folder: Path) -> None:
        """Write all files of the folder `path` into a folder of this machine."""
        base = _key(path)
        for info in self._objects.list(base):
            target = inside(folder, info.key.removeprefix(f"{base}/"))
            target.parent.mkdir(parents=True, exist_ok=True)
            self._objects.download(info.key, target)

    @in_mlflow_words
    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Remove a file, or a folder with all that is in it."""
        base = _key(artifact_path)
        for key in [info.key for info in self._objects.list(base)] or [base]:
            self._objects.delete(key)


def _key(*parts: str | None) -> str:
    return posixpath.normpath(posixpath.join(_ROOT, *(part for part in parts if part)))
