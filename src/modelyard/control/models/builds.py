"""Compiles versions to targets. What comes out belongs to the caller: the version stays as it is, nothing is stored."""

import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

from modelyard.control.models.bundles import bundle_files
from modelyard.control.models.errors import TargetUnknownError
from modelyard.control.models.inspection import ArtifactInspector
from modelyard.control.models.service import ModelService
from modelyard.kit.files import inside
from modelyard.types.compilation import Target


class BuildService:
    """Builds files of a version for a target. Safe from any thread.

    Args:
        models: has the versions.
        inspector: compiles in a sandbox.
        folder: for files on their way; made if absent.
    """

    def __init__(self, models: ModelService, inspector: ArtifactInspector, folder: Path) -> None:
        self._models = models
        self._inspector = inspector
        self._folder = folder

    def build(self, project: str, model: str, selector: str, target: str, tolerance: float) -> Path:
        """A zip file with the files of the target and `build.json`. The caller removes it.

        Raises:
            TargetUnknownError: there is no such target; the hint lists them.
            ModelRefInvalidError, ModelNotFoundError, ModelVersionNotFoundError: there is no such version.
            TargetUnfitError, CompilerMissingError, InspectionFailedError: it cannot be compiled; see ArtifactInspector.
        """
        chosen = _target(target)
        version = self._models.version(project, model, selector)
        with self._scratch() as folder:
            bundle = folder / "bundle"
            for file in version.files:
                path = inside(bundle, file.path)
                path.parent.mkdir(parents=True, exist_ok=True)
                self._models.download(file, path)
            with self._inspector.compiled(bundle, chosen, tolerance) as output:
                return self._packed(output)

    def remove_leftovers(self) -> None:
        """Clear what a killed process left. Call before this process takes requests."""
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix="build-") as folder:
            yield Path(folder)

    def _packed(self, output: Path) -> Path:
        target = self._folder / f"{os.urandom(8).hex()}.zip"
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, file in bundle_files(output).items():
                archive.write(file, name)
        return target


def _target(name: str) -> Target:
    try:
        return Target(name)
    except ValueError:
        close = get_close_matches(name, list(Target), n=1)
        guess = f"Did you mean '{close[0]}'? " if close else ""
        raise TargetUnknownError(
            f"there is no target '{name[:80]}'", hint=f"{guess}Targets are {', '.join(Target)}.", field="target"
        ) from None
