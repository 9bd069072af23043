"""Bundles on this machine, by the digest of their version; replicas of one version share one copy."""

import os
import shutil
from pathlib import Path

from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.endpoints.errors import BundleReplacedError

_TEMPORARY = ".new-"


class BundleCache:
    """The folder of bundles. Safe from any thread and process: a bundle appears whole, by a rename.

    Args:
        folder: `<home>/cache/bundles`.
        registry: where bundles come from.
    """

    def __init__(self, folder: Path, registry: RegistryClient) -> None:
        self._folder = folder
        self._registry = registry

    def path(self, digest: str) -> Path:
        """Where the bundle of this digest is, once it was fetched."""
        return self._folder / digest

    def fetch(self, project: str, model: str, number: int, digest: str) -> Path:
        """The bundle, downloaded if it is not here yet.

        Raises:
            NotFoundError: the registry does not have the version any more.
            BundleReplacedError: the registry has another content under this number.
            UnavailableError: the registry does not answer; try again.
        """
        target = self.path(digest)
        if target.is_dir():
            return target
        version = self._registry.model_version(project, f"{model}:{number}")
        if version.digest != digest:
            raise BundleReplacedError(
                f"{model}:{number} had the digest {digest[:12]} when it was deployed and has {version.digest[:12]} now",
                hint="The registry's database was exchanged: deploy a version of the present one.",
            )
        temporary = self._folder / f"{_TEMPORARY}{digest[:12]}-{os.urandom(4).hex()}"
        temporary.mkdir(parents=True, mode=0o700)
        try:
            self._registry.download_model(version, temporary)
            temporary.rename(target)
        except OSError:
            if not target.is_dir():  # otherwise somebody else was faster with the same content
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return target
