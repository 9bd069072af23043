"""The drift reference of a model version, fetched from the registry once and kept on disk by the version's digest."""

import tempfile
from pathlib import Path

from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.monitors.errors import ReferenceMissingError
from modelyard.drift.reference import ReferenceSketch
from modelyard.kit.files import write_atomic

_FILE = "reference.json"


class References:
    """Reference sketches by version. Safe from any thread.

    Args:
        registry: where bundles come from.
        folder: cache, `<digest>.json` each; may be deleted at any time.
    """

    def __init__(self, registry: RegistryClient, folder: Path) -> None:
        self._registry = registry
        self._folder = folder

    def get(self, project: str, version: str) -> ReferenceSketch:
        """The sketch of a version ("digits:2").

        Raises:
            ReferenceMissingError: the version carries none.
            ReferenceInvalidError: it cannot be read.
            NotFoundError: no such version.
            UnavailableError: the registry does not answer.
        """
        found = self._registry.model_version(project, version)
        if not any(file.path == _FILE for file in found.files):
            raise ReferenceMissingError(
                f"{version} carries no reference sketch of its training data",
                hint=f"Train it here, or register the version again with a {_FILE} in its bundle.",
            )
        path = self._folder / f"{found.digest}.json"
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._folder, prefix=".bundle-") as bundle:
                self._registry.download_model(found, Path(bundle))
                write_atomic(path, (Path(bundle) / _FILE).read_bytes())
        return ReferenceSketch.from_json(path.read_bytes())
