"""A job's inputs on this machine: dataset versions and model bundles, cached by their content."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from modelyard.algorithms.base import Channel
from modelyard.control.clients.contracts import RegistryClient
from modelyard.errors import TemporaryError
from modelyard.settings import Home
from modelyard.types.jobs import DatasetRef
from modelyard.types.models import DataReference

PATIENCE_SECONDS = 600.0
"""How long the registry may be away: a restart of one application must not fail the jobs of another."""

Result = TypeVar("Result")


class JobInputs:
    """Fetches what a job reads; equal content is fetched once per machine."""

    def __init__(self, registry: RegistryClient, home: Home) -> None:
        self._registry = registry
        self._cache = home.cache

    def channel(self, project: str, ref: DatasetRef) -> Channel:
        """A dataset version as a local file.

        Raises:
            NotFoundError: it was deleted.
        """
        version = patiently(lambda: self._registry.dataset_version(project, ref.dataset, ref.number))
        path = self._cache / "datasets" / version.digest
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            patiently(lambda: self._registry.download_dataset(version, path))
        reference = DataReference(
            project=version.project, dataset=version.dataset, number=version.number, digest=version.digest
        )
        return Channel(path=path, format=version.format, reference=reference)

    def bundle(self, project: str, ref: str) -> Path:
        """A model version as a local bundle folder.

        Raises:
            NotFoundError: it was deleted.
        """
        version = patiently(lambda: self._registry.model_version(project, ref))
        folder = self._cache / "bundles" / version.digest
        if not (folder / "manifest.json").exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            patiently(lambda: self._registry.download_model(version, folder))
        return folder


def patiently(call: Callable[[], Result]) -> Result:
    """The result of `call`, tried again while it fails for a temporary reason, for PATIENCE_SECONDS."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return call()
        except TemporaryError as error:
            if time.monotonic() > deadline:
                raise
            time.sleep(min(5.0, error.retry_after_seconds or 1.0))
