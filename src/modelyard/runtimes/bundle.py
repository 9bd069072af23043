"""A bundle: the folder that is a complete model version (types.models.Manifest names its files)."""

from importlib.metadata import distributions
from pathlib import Path
from typing import TypeVar

import msgspec

from modelyard.kit.files import inside, write_atomic
from modelyard.runtimes.base import ArtifactInvalidError, Predictor
from modelyard.runtimes.catalog import runtime_for
from modelyard.runtimes.foreign.runtime import ProgramRuntime
from modelyard.runtimes.golden import nan_free_outputs
from modelyard.types.compilation import Compilation
from modelyard.types.models import ArtifactFormat, Manifest
from modelyard.types.tensors import GoldenSet

MANIFEST = "manifest.json"
GOLDEN = "golden.json"
REFERENCE = "reference.json"
ENVIRONMENT_LOCK = "environment.lock"
COMPILATION = "compilation.json"

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


def read_compilation(folder: Path) -> Compilation | None:
    """The report of a bundle's compilation, if it was compiled.

    Raises:
        ArtifactInvalidError: the file is damaged.
    """
    return _read(folder / COMPILATION, Compilation) if (folder / COMPILATION).is_file() else None


def write_compilation(folder: Path, compilation: Compilation) -> None:
    """Write `compilation.json`."""
    write_atomic(folder / COMPILATION, _encode(compilation))


def served_artifact(manifest: Manifest, compilation: Compilation | None) -> tuple[str, ArtifactFormat]:
    """File and format of what a worker loads: the fastest variant that agrees, or else the artifact itself.

    Raises:
        ArtifactInvalidError: the served variant has no file, or an unknown format.
    """
    variant = compilation.variant(compilation.served) if compilation is not None else None
    if variant is None:
        return manifest.artifact, manifest.artifact_format
    if not variant.artifact or variant.artifact_format not in set(ArtifactFormat):
        raise ArtifactInvalidError(
            f"'{COMPILATION}' says that '{variant.name}' is served, and names no file of a known format for it",
            hint=f"Remove '{COMPILATION}' from the bundle, and the artifact is served.",
        )
    return variant.artifact, ArtifactFormat(variant.artifact_format)


def served_file(folder: Path) -> tuple[Manifest, Path, ArtifactFormat]:
    """The manifest of a bundle, and the file that a worker loads with its format.

    Raises:
        ArtifactInvalidError: the bundle is damaged.
        PathEscapesError: the manifest names an artifact outside the folder.
    """
    manifest = read_manifest(folder)
    name, kind = served_artifact(manifest, read_compilation(folder))
    artifact = inside(folder, name)
    if not artifact.is_file():
        raise ArtifactInvalidError(
            f"the bundle has no file '{name}', which its manifest names", hint="Register the model again."
        )
    return manifest, artifact, kind


def load_bundle(folder: Path, threads: int = 1, python: Path | None = None) -> tuple[Manifest, Predictor]:
    """The manifest and a predictor that uses at most `threads` threads.

    It is the variant that the bundle's compilation chose, or else the artifact.

    Args:
        folder: of the bundle.
        threads: for the model.
        python: interpreter of the bundle's own environment, for a model that is a program; None: this one.

    Raises:
        ArtifactInvalidError: the bundle is damaged or its artifact does not fit its signature.
        PathEscapesError: the manifest names an artifact outside the folder.
    """
    manifest, artifact, kind = served_file(folder)
    runtime = runtime_for(kind)
    if python is not None and isinstance(runtime, ProgramRuntime):
        runtime.python = python
    return manifest, runtime.load(artifact, manifest.signature, threads=threads)


def nan_free_of(folder: Path) -> frozenset[str]:
    """Float outputs that hold no NaN in any golden answer of the bundle; none if it has no golden requests.

    Raises:
        ArtifactInvalidError: the golden requests are damaged.
    """
    return nan_free_outputs(read_golden(folder)) if (folder / GOLDEN).is_file() else frozenset()


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
