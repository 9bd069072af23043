"""Builds a complete bundle out of a bare artifact that was made anywhere.

    python -m modelyard.runtimes.inspect --artifact FILE --output DIR [--name NAME] [--max-bytes N]

Exit code 0: DIR holds the bundle. 1: the artifact is refused, DIR/error.json has `code`, `message` and `hint`. The file
comes from a stranger: run this in a sandbox without network. Pickles are refused before anything is loaded.
"""

import argparse
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from modelyard.errors import ModelyardError, TooLargeError
from modelyard.runtimes.base import ArtifactInvalidError, Predictor, Tensors
from modelyard.runtimes.bundle import write_environment_lock, write_golden, write_manifest
from modelyard.runtimes.catalog import runtime_for, sniff
from modelyard.runtimes.convert import ConversionFailedError, convert_artifact
from modelyard.runtimes.golden import make_golden
from modelyard.runtimes.parity import check_parity, synthetic_inputs
from modelyard.runtimes.reports import report
from modelyard.types.models import ArtifactFormat, Manifest, ModelCard, Parity, Task
from modelyard.types.signatures import Signature, TensorSpec

MAX_ARTIFACT_BYTES = 2 << 30  # a protobuf file, and so an ONNX model without external data, cannot be larger
_EXTENSIONS = {
    ArtifactFormat.ONNX: ".onnx",
    ArtifactFormat.SKOPS: ".skops",
    ArtifactFormat.XGBOOST: ".ubj",
    ArtifactFormat.LIGHTGBM: ".txt",
    ArtifactFormat.GGUF: ".gguf",
}
_GOLDEN_ROWS = 16
_GOLDEN_TEXTS = 2  # a text takes seconds, a row of numbers microseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class _Served:
    """What will be served: file name, format, signature, and how it came about."""

    artifact: str
    format: ArtifactFormat
    signature: Signature
    findings: tuple[str, ...]
    parity: Parity | None = None


def inspect(artifact: Path, output: Path, *, name: str = "", max_bytes: int = MAX_ARTIFACT_BYTES) -> Manifest:
    """Write a bundle (manifest, artifact, golden requests, environment lock) for `artifact` into the folder `output`.

    Args:
        artifact: an ONNX, skops, XGBoost, LightGBM or GGUF file.
        output: existing empty folder.
        name: what people call the file; it stands in the card.
        max_bytes: larger files are refused.

    Raises:
        TooLargeError: over `max_bytes`.
        ArtifactInvalidError: refused or damaged; the message says why, the hint what to do.
    """
    size = artifact.stat().st_size
    found = sniff(artifact)
    if size > max_bytes and found is not ArtifactFormat.GGUF:  # which is mapped, not read
        raise TooLargeError(
            f"the artifact has {size} bytes, {max_bytes} are allowed", hint="Prune or quantise the model."
        )
    served = _take_onnx(artifact, output) if found is ArtifactFormat.ONNX else _take_other(found, artifact, output)
    predictor = runtime_for(served.format).load(output / served.artifact, served.signature, threads=1)
    rows = _GOLDEN_TEXTS if served.format is ArtifactFormat.GGUF else _GOLDEN_ROWS
    write_golden(output, make_golden(predictor, _answerable(predictor, served.signature, rows)))
    write_environment_lock(output)
    manifest = Manifest(
        artifact=served.artifact,
        artifact_format=served.format,
        signature=served.signature,
        card=_card(served, found, name or artifact.name),
        is_pure=runtime_for(served.format).is_pure,
    )
    write_manifest(output, manifest)
    return manifest


def _take_onnx(artifact: Path, output: Path) -> _Served:
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
    return _Served(artifact="model.onnx", format=ArtifactFormat.ONNX, signature=signature, findings=findings)


def _take_other(format: ArtifactFormat, artifact: Path, output: Path) -> _Served:
    """The ONNX form if there is one that agrees with the original, else the original."""
    original = output / f"original{_EXTENSIONS[format]}"
    shutil.copyfile(artifact, original)
    runtime = runtime_for(format)
    signature = runtime.infer_signature(original)
    try:
        (output / "model.onnx").write_bytes(convert_artifact(format, original, signature))
        converted = runtime_for(ArtifactFormat.ONNX).load(output / "model.onnx", signature)
        parity = check_parity(runtime.load(original, signature), converted, signature)
    except (ConversionFailedError, ArtifactInvalidError) as error:
        parity = Parity(is_equal=False, rows=0, label_mismatches=0, max_abs_difference=0.0, note=error.message)
    if parity.is_equal:
        note = f"converted from {format} to ONNX, equal on {parity.rows} random and edge rows"
        return _Served(
            artifact="model.onnx", format=ArtifactFormat.ONNX, signature=signature, findings=(note,), parity=parity
        )
    (output / "model.onnx").unlink(missing_ok=True)
    served = original.rename(output / f"model{_EXTENSIONS[format]}")
    note = f"served by {format} itself and not as ONNX: {parity.note}"
    return _Served(artifact=served.name, format=format, signature=signature, findings=(note,), parity=parity)


def _with_classes(signature: Signature, class_names: tuple[str, ...]) -> Signature:
    outputs = tuple(
        replace(spec, columns=class_names) if spec.name == "probabilities" else spec for spec in signature.outputs
    )
    return Signature(inputs=signature.inputs, outputs=outputs)


def _answerable(predictor: Predictor, signature: Signature, rows: int) -> Tensors:
    """Rows that the model answers: random ones, else zeros (indices into a table must not be too large)."""
    random = synthetic_inputs(signature, rows)
    zeros = {name: array if array.dtype.kind == "O" else array * 0 for name, array in random.items()}
    failure: ModelyardError | None = None
    for candidate in (random, zeros):
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


def _card(served: _Served, format: ArtifactFormat, name: str) -> ModelCard:
    return ModelCard(
        task=_task(served.signature),
        description=f"Registered from the {format} file {name}.",
        limitations="No quality is known: the model was trained elsewhere and came without measurements.",
        findings=served.findings,
        parity=served.parity,
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
    options = parser.parse_args(arguments)
    return report(
        options.output,
        lambda: inspect(options.artifact, options.output, name=options.name, max_bytes=options.max_bytes),
    )


if __name__ == "__main__":
    sys.exit(main())
