"""Builds a complete bundle out of a bare artifact that was made anywhere.

    python -m modelyard.runtimes.inspect --artifact FILE --output DIR [--name NAME] [--max-bytes N]
        [--compile-seconds N]

Exit code 0: DIR holds the bundle. 1: the artifact is refused, DIR/error.json has `code`, `message` and `hint`. The file
comes from a stranger: run this in a sandbox without network. Pickles are refused before anything is loaded. With
`--compile-seconds`, compiling that takes longer, or crashes, is left out, and the model is served as it came.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from modelyard.errors import ModelyardError, TooLargeError
from modelyard.runtimes.base import ArtifactInvalidError, Predictor, Tensors
from modelyard.runtimes.bundle import write_compilation, write_environment_lock, write_golden, write_manifest
from modelyard.runtimes.catalog import runtime_for
from modelyard.runtimes.compilation.compile import ORIGINAL, TOLERANCE, Compiled, compile_original
from modelyard.runtimes.compilation.forms import Form, load_form
from modelyard.runtimes.golden import make_golden
from modelyard.runtimes.parity import synthetic_inputs
from modelyard.runtimes.reporting import reported
from modelyard.runtimes.sniff import is_gguf, sniff
from modelyard.types.compilation import Compilation, Variant, VariantState
from modelyard.types.models import ArtifactFormat, Manifest, ModelCard, Task
from modelyard.types.signatures import Signature, TensorSpec

MAX_ARTIFACT_BYTES = 2 << 30  # a protobuf file, and so an ONNX model without external data, cannot be larger
_EXTENSIONS = {
    ArtifactFormat.ONNX: ".onnx",
    ArtifactFormat.SKOPS: ".skops",
    ArtifactFormat.XGBOOST: ".ubj",
    ArtifactFormat.LIGHTGBM: ".txt",
    ArtifactFormat.GGUF: ".gguf",
    ArtifactFormat.CATBOOST: ".cbm",
}
_GOLDEN_ROWS = 16
_GOLDEN_TEXTS = 2  # a text takes seconds, a row of numbers microseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class _Original:
    """The artifact in the bundle: its file, format and signature, and what was noticed."""

    file: Path
    format: ArtifactFormat
    signature: Signature
    findings: tuple[str, ...] = ()


def inspect(
    artifact: Path,
    output: Path,
    *,
    name: str = "",
    max_bytes: int = MAX_ARTIFACT_BYTES,
    not_compiled_because: str = "",
) -> Manifest:
    """Write a bundle for `artifact` into the folder `output`: manifest, its forms, golden requests, environment lock.

    Args:
        artifact: an ONNX, skops, XGBoost, LightGBM, CatBoost or GGUF file.
        output: existing empty folder.
        name: what people call the file; it stands in the card.
        max_bytes: larger files are refused.
        not_compiled_because: given, no other form is tried, and the card says this.

    Raises:
        TooLargeError: over `max_bytes`.
        ArtifactInvalidError: refused or damaged; the message says why, the hint what to do.
    """
    size = artifact.stat().st_size
    if size > max_bytes and not is_gguf(artifact):  # which is mapped, not read
        raise TooLargeError(
            f"the artifact has {size} bytes, {max_bytes} are allowed", hint="Prune or quantise the model."
        )
    found = sniff(artifact)
    original = _take_onnx(artifact, output) if found is ArtifactFormat.ONNX else _take_other(found, artifact, output)
    form = load_form(ORIGINAL, original.file, original.format, original.signature)
    count = _GOLDEN_TEXTS if original.format is ArtifactFormat.GGUF else _GOLDEN_ROWS
    rows = _answerable(form.predictor, original.signature, count)
    reason = not_compiled_because or ("llama.cpp serves it" if original.format is ArtifactFormat.GGUF else "")
    compiled = _compiled(original, rows, form, reason)
    write_golden(output, make_golden(compiled.form.predictor, rows))
    write_environment_lock(output)
    write_compilation(output, compiled.compilation)
    manifest = Manifest(
        artifact=compiled.form.file.name,
        artifact_format=compiled.form.format,
        signature=original.signature,
        card=_card(original, compiled, name or artifact.name),
        is_pure=runtime_for(compiled.form.format).is_pure,
    )
    write_manifest(output, manifest)
    return manifest


def _take_onnx(artifact: Path, output: Path) -> _Original:
    """The model with its outputs under the standard names where they are recognised."""
    import onnx  # noqa: PLC0415 - heavy

    from modelyard.runtimes.formats.onnx_graph import has_external_data, normalise  # noqa: PLC0415 - imports onnx

    try:
        model = onnx.load(str(artifact), load_external_data=False)
    except Exception as error:  # protobuf's own errors have no common base
        raise ArtifactInvalidError("the ONNX file is damaged", hint="Export it again.") from error
    if has_external_data(model):
        raise ArtifactInvalidError(
            "the ONNX file keeps its weights in other files", hint="Save it in one: onnx.save(model, 'model.onnx')."
        )
    result = normalise(model)
    target = output / "model.onnx"
    if result.kind == "other" or result.model == model:
        shutil.copyfile(artifact, target)
        findings: tuple[str, ...] = ()
    else:
        target.write_bytes(result.model.SerializeToString(deterministic=True))
        shutil.copyfile(artifact, output / "original.onnx")
        findings = (f"the outputs were recognised as those of a {result.kind} and named in the standard way",)
    signature = runtime_for(ArtifactFormat.ONNX).infer_signature(target)
    signature = _with_classes(signature, result.class_names) if result.kind == "classifier" else signature
    return _Original(file=target, format=ArtifactFormat.ONNX, signature=signature, findings=findings)


def _take_other(format: ArtifactFormat, artifact: Path, output: Path) -> _Original:
    """The artifact under the name that it has in a bundle."""
    file = output / f"original{_EXTENSIONS[format]}"
    shutil.copyfile(artifact, file)
    return _Original(file=file, format=format, signature=runtime_for(format).infer_signature(file))


def _compiled(original: _Original, rows: Tensors, form: Form, reason: str) -> Compiled:
    """The forms of the original; the original alone if there is a `reason` not to make others."""
    if not reason:
        return compile_original(form, original.signature, rows)
    variant = Variant(
        name=ORIGINAL,
        state=VariantState.SERVED,
        reason=reason,
        artifact=original.file.name,
        artifact_format=original.format,
    )
    return Compiled(
        form=form, parity=None, compilation=Compilation(served=ORIGINAL, tolerance=TOLERANCE, variants=(variant,))
    )


def _finding(original: _Original, compiled: Compiled) -> tuple[str, ...]:
    """What a reader must know of the conversion, in a sentence."""
    parity = compiled.parity
    if original.format is ArtifactFormat.ONNX or parity is None:
        return original.findings
    if parity.is_equal:
        return (f"converted from {original.format} to ONNX, equal on {parity.rows} random and edge rows",)
    return (f"served by {original.format} itself and not as ONNX: {parity.note}",)


def _with_classes(signature: Signature, class_names: tuple[str, ...]) -> Signature:
    outputs = tuple(
        replace(spec, columns=class_names) if spec.name == "probabilities" else spec for spec in signature.outputs
    )
    return Signature(inputs=signature.inputs, outputs=outputs)


def _answerable(predictor: Predictor, signature: Signature, rows: int) -> Tensors:
    """Rows that the model answers: like those that it remembers, random ones, else zeros (as indices are small)."""
    known = predictor.examples(rows)
    random = synthetic_inputs(signature, rows)
    zeros = {name: array if array.dtype.kind == "O" else array * 0 for name, array in random.items()}
    failure: ModelyardError | None = None
    for candidate in (known, random, zeros):
        if candidate is None:
            continue
        try:
            _check_rows(predictor.predict(candidate), candidate)
        except ModelyardError as error:
            failure = error
        else:
            return candidate
    raise ArtifactInvalidError(
        f"the model answers no request made from its own signature: {failure.message if failure else ''}",
        hint="Register a whole bundle with golden requests of your own.",
    )


def _check_rows(outputs: Mapping[str, object], inputs: Tensors) -> None:
    rows = len(next(iter(inputs.values())))
    for name, output in outputs.items():
        if len(getattr(output, "shape", ())) == 0 or output.shape[0] != rows:  # type: ignore[attr-defined]
            raise ArtifactInvalidError(f"output '{name}' does not have one entry per row of the batch")


def _card(original: _Original, compiled: Compiled, name: str) -> ModelCard:
    return ModelCard(
        task=_task(original.signature),
        description=f"Registered from the {original.format} file {name}.",
        limitations="No quality is known: the model was trained elsewhere and came without measurements.",
        findings=_finding(original, compiled),
        parity=compiled.parity,
    )


def _task(signature: Signature) -> Task:
    names = {spec.name for spec in signature.outputs}
    if "prediction" in names:
        return Task.TABULAR_REGRESSION
    if "label" not in names:
        return Task.OTHER
    return Task.IMAGE_CLASSIFICATION if any(map(_is_image, signature.inputs)) else Task.TABULAR_CLASSIFICATION


def _is_image(spec: TensorSpec) -> bool:
    return len(spec.shape) in (3, 4)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m modelyard.runtimes.inspect", description=__doc__)
    parser.add_argument("--artifact", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--name", default="")
    parser.add_argument("--max-bytes", type=int, default=MAX_ARTIFACT_BYTES)
    parser.add_argument("--compile-seconds", type=float, default=0)
    options = parser.parse_args(arguments)
    given_up = ""
    if options.compile_seconds:
        code, given_up = _in_child(options)
        if not given_up:
            return code
        _empty(options.output)
    given = {"name": options.name, "max_bytes": options.max_bytes, "not_compiled_because": given_up}
    return reported(lambda: inspect(options.artifact, options.output, **given), options.output, "inspection")


def _in_child(options: argparse.Namespace) -> tuple[int, str]:
    """All of it in a process of its own: exit code, and why that process must not be believed.

    Converters are large native libraries. One that crashes or does not end takes its process along, and the model is
    served as it came.
    """
    given = (
        f"--{name}={getattr(options, name.replace('-', '_'))}" for name in ("artifact", "output", "name", "max-bytes")
    )
    command = [sys.executable, "-m", "modelyard.runtimes.inspect", *given]
    try:
        code = subprocess.run(command, timeout=options.compile_seconds, check=False).returncode
    except subprocess.TimeoutExpired:
        return 1, f"compiling was given up after {options.compile_seconds:g} s"
    return code, "" if code in (0, 1) else f"compiling ended with code {code}"


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


if __name__ == "__main__":
    sys.exit(main())
