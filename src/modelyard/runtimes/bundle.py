"""A bundle: the folder that is a complete model version (types.models.Manifest names its files)."""

from importlib.metadata import distributions
from pathlib import Path
from typing import TypeVar

import msgspec

from modelyard.kit.files import inside, write_atomic
from modelyard.runtimes.base import ArtifactInvalidError, Predictor
from modelyard.runtimes.catalog import runtime_for
from modelyard.runtimes.foreign.runtime import ProgramRuntime
from modelyard.types.models import Manifest
from modelyard.types.tensors import GoldenSet

MANIFEST = "manifest.json"
GOLDEN = "golden.json"
REFERENCE = "reference.json"
ENVIRONMENT_LOCK = "environment.lock"

_T = TypeVar("_T")


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a bundle.

    Raises:
        ArtifactInvalidError: there is none, or it is no manifest; the message has the path of the bad field.
    """
    return _read(folder / MANIFEST, Manifest)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json`: equal manifests give equal bytes."""
    write_atomic(folder / MANIFEST, _encode(manifest))


def read_golden(folder: Path) -> GoldenSet:
    """The golden requests of a bundle.

    Raises:
        ArtifactInvalidError: there are none, or the file is damaged.
    """
    return _read(folder / GOLDEN, GoldenSet)


def write_golden(folder: Path, golden: GoldenSet) -> None:
    """Write `golden.json`."""
    write_atomic(folder / GOLDEN, _encode(golden))


def load_bundle(folder: Path, threads: int = 1, python: Path | None = None) -> tuple[Manifest, Predictor]:
    """The manifest and a predictor that uses at most `threads` threads.

    Args:
        folder: of the bundle.
        threads: for the model.
        python: interpreter of the bundle's own environment, for a model that is a program; None: this one.

    Raises:
        ArtifactInvalidError: the bundle is damaged or its artifact does not fit its signature.
        PathEscapesError: the manifest names an artifact outside the folder.
    """
    manifest = read_manifest(folder)
    artifact = inside(folder, manifest.artifact)
    if not artifact.is_file():
        raise ArtifactInvalidError(
            f"the bundle has no file '{manifest.artifact}', which its manifest names", hint="Register the model again."
        )
    runtime = runtime_for(manifest.artifact_format)
    if python is not None and isinstance(runtime, ProgramRuntime):
        runtime.python = python
    return manifest, runtime.load(artifact, manifest.signature, threads=threads)


def environment_lock() -> str:
    """The packages of this Python, as sorted `name==version` lines."""
    lines = {f"{d.metadata['Name'].lower().replace('_', '-')}=={d.version}" for d in distributions()}
    return "\n".join(sorted(lines)) + "\n"


def write_environment_lock(folder: Path) -> None:
    """Write `environment.lock`."""
    write_atomic(folder / ENVIRONMENT_LOCK, environment_lock().encode())


def _encode(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value, order="deterministic"), indent=1) + b"\n"


def _read(path: Path, type_: type[_T]) -> _T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=type_)
    except FileNotFoundError:
        raise ArtifactInvalidError(
            f"the bundle has no '{path.name}'", hint="Register the bare artifact instead, and it is made."
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArtifactInvalidError(f"'{path.name}' is damaged: {error}", hint="Make the bundle again.") from error
