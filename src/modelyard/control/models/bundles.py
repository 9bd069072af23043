"""What is checked of a bundle before it is stored. Reads heads and JSON only: no model file is opened here."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from modelyard.control.models.errors import BundleInvalidError, BundleTooLargeError
from modelyard.runtimes.bundle import COMPILATION, GOLDEN, MANIFEST, served_artifact
from modelyard.runtimes.foreign.images import read_image
from modelyard.runtimes.foreign.kinds import program_format
from modelyard.runtimes.sniff import sniff
from modelyard.types.compilation import Compilation
from modelyard.types.models import ArtifactFormat, BundleFile, Manifest, ModelCard
from modelyard.types.signatures import TensorSpec
from modelyard.types.tensors import GoldenSet

MAXIMUM_FILES = 100
_MAXIMUM_PATH = 200
_MAXIMUM_JSON_BYTES = 64 << 20
_FINITE = "Numbers must be finite; the API pages (/docs) show every field."
_Decoded = TypeVar("_Decoded")


def bundle_files(folder: Path) -> dict[str, Path]:
    """Path in the bundle -> file, for every file in a folder that a sandboxed process wrote.

    Raises:
        BundleInvalidError: something in it is no plain file; a link could show what the process may not read.
    """
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise BundleInvalidError(
                f"'{path.relative_to(folder)}' in the bundle is a link or a special file",
                hint="Write plain files only.",
                field="files",
            )
        if path.is_file():
            files[path.relative_to(folder).as_posix()] = path
    return files


def check_files(files: Mapping[str, Path], max_bytes: int) -> None:
    """Nothing if the paths stay inside a folder and the content is within the limits.

    Raises:
        BundleInvalidError: no file, too many, or a path that could leave its folder.
        BundleTooLargeError: together over `max_bytes`.
    """
    if not 1 <= len(files) <= MAXIMUM_FILES:
        raise BundleInvalidError(
            f"a version has 1 to {MAXIMUM_FILES} files, this one {len(files)}",
            hint="Give the artifact alone, or the files of a bundle.",
            field="files",
        )
    for path in files:
        _check_path(path, files)
    size = sum(path.stat().st_size for path in files.values())
    if size > max_bytes:
        raise BundleTooLargeError(
            f"the files have {size} bytes, {max_bytes} are allowed",
            hint="Make the model smaller, or raise MODELYARD_MAX_UPLOAD_BYTES.",
            field="files",
        )


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file.

    Raises:
        BundleInvalidError: it is none; the message has the path of the bad field.
    """
    return _decode(path, Manifest, MANIFEST)


def encode_manifest(manifest: Manifest) -> bytes:
    """Its JSON: equal manifests give equal bytes."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"), indent=1) + b"\n"


def with_card(manifest: Manifest, overrides: Mapping[str, Any]) -> Manifest:
    """The manifest with some fields of its card replaced.

    Raises:
        BundleInvalidError: a value does not fit its field.
    """
    try:
        card = msgspec.convert({**msgspec.to_builtins(manifest.card), **msgspec.to_builtins(overrides)}, ModelCard)
    except msgspec.MsgspecError as error:
        raise BundleInvalidError(f"the card is not valid: {error}", hint=_FINITE, field="card") from error
    return replace(manifest, card=card)


def check_manifest(manifest: Manifest, files: Mapping[str, Path]) -> None:
    """Nothing if the manifest is complete and says what the files are.

    Raises:
        BundleInvalidError: a required field is missing, a number is not finite, the artifact is not among the files
            or of another format, a signature has no or equal names, or `golden.json` is damaged.
        ArtifactInvalidError: the artifact is refused (a pickle, a zip bomb) or damaged.
    """
    try:
        msgspec.json.decode(encode_manifest(manifest), type=Manifest)  # JSON has no NaN: it would come back as null
    except msgspec.MsgspecError as error:
        raise BundleInvalidError(f"the manifest is not valid: {error}", hint=_FINITE, field="manifest") from error
    if not manifest.card.task.strip():
        raise BundleInvalidError(
            "the card does not say what the model does",
            hint='Set "task", e.g. "image-classification".',
            field="card.task",
        )
    _check_tensors(manifest.signature.inputs, "inputs")
    _check_tensors(manifest.signature.outputs, "outputs")
    if manifest.artifact not in files or manifest.artifact == MANIFEST:
        raise BundleInvalidError(
            f"the manifest names the artifact '{manifest.artifact[:100]}', which is not among the files",
            hint=f"The files are: {', '.join(sorted(files))}.",
            field="manifest.artifact",
        )
    found = program_format([manifest.artifact]) or sniff(files[manifest.artifact])
    if found is not manifest.artifact_format:
        raise BundleInvalidError(
            f"the manifest says that '{manifest.artifact}' is {manifest.artifact_format}, its content is {found}",
            hint="Set artifact_format to what it is.",
            field="manifest.artifact_format",
        )
    if found is ArtifactFormat.IMAGE and not read_image(files[manifest.artifact]).digest:
        raise BundleInvalidError(
            "the image that the bundle names has no digest, and what its name means may change",
            hint='Register the folder without "manifest.json", and it is found out; or set "digest".',
            field="files",
        )
    if GOLDEN in files:
        _decode(files[GOLDEN], GoldenSet, GOLDEN)


def without_compilation(manifest: Manifest) -> Manifest:
    """As it stands in `manifest.json`: the report of the compilation is a file of its own."""
    return replace(manifest, card=replace(manifest.card, compilation=None))


def with_compilation(manifest: Manifest, files: Mapping[str, Path]) -> Manifest:
    """The manifest with the bundle's own report of its compilation on the card, and no other.

    Raises:
        BundleInvalidError: `compilation.json` is damaged, or serves a file that is not there or of another format.
        ArtifactInvalidError: the file that it serves is refused.
    """
    if COMPILATION not in files:
        return without_compilation(manifest)
    compilation = _decode(files[COMPILATION], Compilation, COMPILATION)
    name, kind = served_artifact(manifest, compilation)
    if name not in files or sniff(files[name]) is not kind:
        raise BundleInvalidError(
            f"'{COMPILATION}' serves '{name[:100]}', which is no {kind} file of the bundle",
            hint=f"Remove '{COMPILATION}', and the artifact is served.",
            field=COMPILATION,
        )
    return replace(manifest, card=replace(manifest.card, compilation=compilation))


def version_digest(files: Iterable[BundleFile]) -> str:
    """SHA-256 over the sorted paths and digests of the files: equal bundles are one version.

    Without the report of the compilation: it holds measured times, and the same model compiled twice is one version.
    """
    lines = sorted(f"{file.path}\0{file.digest}\n" for file in files if file.path != COMPILATION)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _check_path(path: str, files: Mapping[str, Path]) -> None:
    parts = path.split("/")
    is_unsafe = (
        len(path) > _MAXIMUM_PATH
        or not path.isprintable()
        or "\\" in path
        or ":" in path
        or any(part in ("", ".", "..") for part in parts)
    )
    if is_unsafe:
        raise BundleInvalidError(
            f"'{path[:120]!r}' is not a path inside a bundle",
            hint=f"Use relative paths with '/', without '..', of at most {_MAXIMUM_PATH} printable characters.",
            field="files",
        )
    if any("/".join(parts[:end]) in files for end in range(1, len(parts))):
        raise BundleInvalidError(
            f"'{path}' lies in a folder that is itself a file of the bundle", hint="Rename one of them.", field="files"
        )


def _check_tensors(specs: tuple[TensorSpec, ...], side: str) -> None:
    names = [spec.name for spec in specs]
    if not names or not all(names) or len(set(names)) < len(names):
        raise BundleInvalidError(
            f"the signature's {side} need at least one tensor, each with a name of its own",
            hint="Register the artifact alone, and the signature is inferred.",
            field=f"manifest.signature.{side}",
        )


def _decode(path: Path, kind: type[_Decoded], name: str) -> _Decoded:
    size = path.stat().st_size
    if size > _MAXIMUM_JSON_BYTES:
        raise BundleTooLargeError(
            f"'{name}' has {size} bytes, {_MAXIMUM_JSON_BYTES} are allowed", hint="Keep data out of it.", field="files"
        )
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BundleInvalidError(
            f"'{name}' is not valid: {error}", hint="Make the bundle again, or register the artifact alone.", field=name
        ) from error
