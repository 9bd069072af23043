"""A registered version as the targets see it: its original, its portable form, and rows that it answers."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from modelyard.errors import InvalidInputError
from modelyard.runtimes.base import Tensors
from modelyard.runtimes.bundle import ENVIRONMENT_LOCK, GOLDEN, REFERENCE, read_golden, read_manifest
from modelyard.runtimes.compilation.compile import ORIGINAL
from modelyard.runtimes.compilation.forms import Form, load_form
from modelyard.runtimes.sniff import sniff
from modelyard.runtimes.tensors import from_json
from modelyard.types.models import ArtifactFormat, Manifest

_ORIGINAL = "original."


class TargetUnfitError(InvalidInputError):
    """This model cannot be compiled to this target; the message says why, the hint what can be done."""

    code = "target_unfit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is compiled.

    Attributes:
        folder: the version's bundle.
        manifest: its manifest.
        original: the model as it was registered, in a folder where forms may be made.
        rows: inputs of the golden requests.
    """

    folder: Path
    manifest: Manifest
    original: Form
    rows: Tensors

    @property
    def portable(self) -> Path:
        """The version in ONNX as exporters write it, which every ONNX runtime takes.

        Raises:
            TargetUnfitError: it has no ONNX form.
        """
        if self.manifest.artifact_format is not ArtifactFormat.ONNX:
            raise TargetUnfitError(
                f"the version is served by {self.manifest.artifact_format} and has no ONNX form",
                hint="`modelyard models show` says why none was made.",
            )
        return self.folder / self.manifest.artifact


def open_source(folder: Path, output: Path) -> Source:
    """The version in the bundle `folder`; its original is copied into `output`.

    Raises:
        ArtifactInvalidError: the bundle is damaged.
        TargetUnfitError: it has no golden requests to compare with.
    """
    manifest = read_manifest(folder)
    kept = sorted(file for file in folder.iterdir() if file.name.startswith(_ORIGINAL))
    # What an ONNX file was before its outputs were named in the standard way is not what the signature describes.
    is_framework = bool(kept) and sniff(kept[0]) is not ArtifactFormat.ONNX
    file = kept[0] if is_framework else folder / manifest.artifact
    copy = output / file.name
    shutil.copyfile(file, copy)
    return Source(
        folder=folder,
        manifest=manifest,
        original=load_form(ORIGINAL, copy, sniff(copy), manifest.signature),
        rows=_golden_rows(folder),
    )


def copy_companions(source: Source, output: Path) -> None:
    """What a bundle holds beside manifest, artifact and golden requests."""
    for name in (REFERENCE, ENVIRONMENT_LOCK):
        if (source.folder / name).is_file():
            shutil.copyfile(source.folder / name, output / name)


def _golden_rows(folder: Path) -> Tensors:
    if not (folder / GOLDEN).is_file():
        raise TargetUnfitError(
            "the version has no golden requests, so that nothing could be compared",
            hint="Register its artifact alone, and golden requests are made.",
        )
    largest = max(read_golden(folder).requests, key=lambda request: request.inputs[0].shape[0])
    return {tensor.name: from_json(tensor) for tensor in largest.inputs}
