"""Makes versions of our registry out of hosted models."""

import tempfile
from pathlib import Path

from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.hosting.archives import prepare, unpack
from modelyard.control.hosting.sources import Objects
from modelyard.kit.foreign_names import own_name
from modelyard.types.models import Lineage
from modelyard.types.serving.answers import AnswerForm
from modelyard.types.serving.hosting import ModelContainer

_SUBMITTED = "SAGEMAKER_SUBMIT_DIRECTORY"
_REMOTE = "s3://"


class ModelRegistration:
    """Fetches, unpacks, registers. Safe from any thread.

    Args:
        registry: gets the versions.
        source: has the archives.
        folder: for files on their way; made if absent.
    """

    def __init__(self, registry: RegistryClient, source: Objects, folder: Path) -> None:
        self._registry = registry
        self._source = source
        self._folder = folder

    def register(self, project: str, name: str, container: ModelContainer, key: str) -> tuple[str, AnswerForm]:
        """The version ("churn:3") and how its answers are written. The same `key` makes no second one.

        Raises:
            ModelyardError: the archive is not there, or cannot be served; a TemporaryError may pass.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="model-") as scratch:
            bundle = Path(scratch) / "bundle"
            bundle.mkdir()
            if container.data_url:
                self._fetch(project, container.data_url, Path(scratch), bundle)
            code = container.environment.get(_SUBMITTED, "")
            if code.startswith(_REMOTE):
                self._fetch(project, code, Path(scratch), bundle / "code")
            answers = prepare(bundle, container)
            version = self._registry.register_model(project, own_name(name), bundle, Lineage(), idempotency_key=key)
        return version.ref, answers

    def _fetch(self, project: str, url: str, scratch: Path, target: Path) -> None:
        archive = scratch / "archive.tar.gz"
        self._source.download(project, url, archive)
        unpack(archive, target)
