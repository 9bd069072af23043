"""The targets that are ONNX files: measured here (cpu, cpu-int8), or meant for hardware that is not here."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from modelyard.runtimes.base import Tensors
from modelyard.runtimes.bundle import GOLDEN, write_compilation, write_golden, write_manifest
from modelyard.runtimes.compilation.choice import judged
from modelyard.runtimes.compilation.compile import ONNX, ORIGINAL, Compiled, compile_original, described
from modelyard.runtimes.compilation.forms import Form, load_form, make_form
from modelyard.runtimes.compilation.timing import machine, time_batches
from modelyard.runtimes.golden import make_golden
from modelyard.runtimes.parity import check_parity
from modelyard.runtimes.targets.source import Source, TargetUnfitError, copy_companions
from modelyard.types.compilation import Build, Compilation, Target, Variant, VariantState
from modelyard.types.models import ArtifactFormat, Manifest

INT8 = "onnx-int8"
_INT8_FILE = "model.int8.onnx"
_CLASSICAL = "ai.onnx.ml"
_COPIES = 16
_CHANGE = 0.01
_QUANTISED = ("MatMul", "Gemm", "Conv", "Gather", "Attention", "LSTM", "EmbedLayerNormalization")
_PROVIDERS = {Target.CUDA: "CUDAExecutionProvider", Target.ARM64: "CPUExecutionProvider"}


def build_cpu(source: Source, output: Path, tolerance: float) -> Build:
    """What registration does, once more on this machine: a bundle whose fastest form that agrees is served."""
    signature = source.manifest.signature
    compiled = compile_original(source.original, signature, source.rows, tolerance=tolerance)
    copy_companions(source, output)
    shutil.copyfile(source.folder / GOLDEN, output / GOLDEN)
    write_compilation(output, compiled.compilation)
    write_manifest(output, _with_form(source.manifest, compiled))
    summary = f"A bundle measured on this machine, which serves {compiled.compilation.served}."
    return Build(target=Target.CPU, is_bundle=True, summary=summary, compilation=compiled.compilation)


def build_int8(source: Source, output: Path, tolerance: float) -> Build:
    """Weights as 8-bit integers, activations quantised as they come: smaller, often faster, never quite equal.

    Raises:
        TargetUnfitError: nothing in the graph can be quantised (trees, linear models).
    """
    form = make_form(INT8, output / _INT8_FILE, source.manifest.signature, _quantiser(source.portable))
    if isinstance(form, str):
        raise TargetUnfitError(
            f"the model cannot be quantised: {form}", hint="The target cpu has the fastest form of such models."
        )
    # Made-up rows of all sizes in one batch say nothing of 8 bits, which span what the batch itself spans.
    parity = check_parity(
        source.original.predictor,
        form.predictor,
        source.manifest.signature,
        further={"golden rows": source.rows, "rows close to golden ones": _nearby(source.rows)},
        has_made_up_rows=False,
        tolerance=tolerance,
    )
    original = _timed(described(source.original), source.original, source)
    quantised = _timed(
        replace(
            described(form),
            rows=parity.rows,
            label_mismatches=parity.label_mismatches,
            max_abs_difference=parity.max_abs_difference,
        ),
        form,
        source,
    )
    if parity.is_equal:
        quantised = replace(quantised, state=VariantState.SERVED, reason=f"agrees within {tolerance:g}, as asked for")
        original = judged(original, quantised)
    else:
        quantised = replace(quantised, state=VariantState.DIFFERS, reason=parity.note)
        original = replace(original, state=VariantState.SERVED, reason="the quantised form does not agree")
    compilation = Compilation(
        served=INT8 if parity.is_equal else ORIGINAL,
        tolerance=tolerance,
        machine=machine(),
        variants=(_unkept(original), *_unquantised(source), quantised),
    )
    source.original.file.unlink()  # the version that it belongs to has it
    if not parity.is_equal:
        summary = f"Not to be served: {parity.note}. Give a larger tolerance if your use bears it."
        return Build(target=Target.CPU_INT8, is_bundle=False, summary=summary, compilation=compilation)
    finding = f"weights quantised to 8 bits; agrees with the original within {tolerance:g} on {parity.rows} rows"
    card = replace(source.manifest.card, findings=(*source.manifest.card.findings, finding), parity=parity)
    manifest = replace(source.manifest, artifact=form.file.name, artifact_format=ArtifactFormat.ONNX, card=card)
    _write_bundle(source, output, form, manifest, compilation)
    summary = f"A bundle with 8-bit weights that agrees within {tolerance:g}."
    return Build(target=Target.CPU_INT8, is_bundle=True, summary=summary, compilation=compilation)


def build_portable(target: Target, source: Source, output: Path) -> Build:
    """The portable ONNX file itself: the provider for the hardware is chosen where it is loaded."""
    file = output / "model.onnx"
    portable = source.portable
    source.original.file.unlink()
    shutil.copyfile(portable, file)
    summary = (
        f"The ONNX file itself is what runs on {target}: load it there with ONNX Runtime and "
        f"providers=['{_PROVIDERS[target]}']. Nothing was measured for it here.{_remark(target, file)}"
    )
    known = source.manifest.card.parity
    variant = Variant(
        name=ONNX,
        state=VariantState.SERVED,
        reason="not measured on the target",
        artifact=file.name,
        artifact_format=ArtifactFormat.ONNX,
        rows=known.rows if known else 0,
        max_abs_difference=known.max_abs_difference if known else 0.0,
    )
    return Build(
        target=target,
        is_bundle=False,
        summary=summary,
        compilation=Compilation(served=ONNX, tolerance=0.0, variants=(variant,)),
    )


def _remark(target: Target, file: Path) -> str:
    """What a reader must know of operators that are not everywhere."""
    import onnx  # noqa: PLC0415 - heavy

    nodes = onnx.load(str(file)).graph.node
    if target is Target.CUDA and any(node.domain == _CLASSICAL for node in nodes):
        return " Its trees and linear models have no CUDA kernels in ONNX Runtime and run on the processor there."
    foreign = sorted({node.domain for node in nodes} - {"", "ai.onnx", _CLASSICAL})
    return f" It needs the operators of {', '.join(foreign)}." if foreign else ""


def _quantiser(portable: Path) -> Callable[[Path], str]:
    def make(file: Path) -> str:
        import onnx  # noqa: PLC0415 - heavy
        from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415 - heavy

        kinds = {node.op_type for node in onnx.load(str(portable)).graph.node}
        if not kinds & set(_QUANTISED):
            return f"its operators ({', '.join(sorted(kinds)[:8])}) have no weights that 8 bits could hold"
        with tempfile.TemporaryDirectory() as scratch:  # the quantiser writes beside what it reads
            copy = Path(scratch) / portable.name
            shutil.copyfile(portable, copy)
            quantize_dynamic(copy, file, weight_type=QuantType.QInt8, per_channel=True)
        return ""

    return make


def _unquantised(source: Source) -> tuple[Variant, ...]:
    """The version's ONNX form beside them, where that is not the original itself: whether 8 bits are faster."""
    if source.original.format is ArtifactFormat.ONNX:
        return ()
    form = load_form(ONNX, source.portable, ArtifactFormat.ONNX, source.manifest.signature)
    return (replace(_timed(_unkept(described(form)), form, source), reason="what the version serves, to compare with"),)


def _nearby(rows: Tensors) -> Tensors:
    """Rows like the golden ones: each many times, its numbers changed by about a hundredth of their column's spread."""
    generator = np.random.default_rng(0)
    found = {}
    for name, array in rows.items():
        repeated = np.repeat(array, _COPIES, axis=0)
        if array.dtype.kind == "f":
            spread = np.nanstd(array, axis=0, keepdims=True)
            repeated = repeated + (generator.standard_normal(repeated.shape) * spread * _CHANGE).astype(array.dtype)
        found[name] = repeated
    return found


def _timed(variant: Variant, form: Form, source: Source) -> Variant:
    return replace(variant, timings=time_batches(form.predictor, source.manifest.signature, source.rows))


def _unkept(variant: Variant) -> Variant:
    return replace(variant, artifact="", artifact_format="")


def _with_form(manifest: Manifest, compiled: Compiled) -> Manifest:
    """The manifest as it is, so that the version stays the same, unless the artifact is another one."""
    form = compiled.form
    if manifest.artifact == form.file.name:
        return manifest
    card = replace(manifest.card, parity=compiled.parity)
    return replace(manifest, artifact=form.file.name, artifact_format=form.format, card=card)


def _write_bundle(source: Source, output: Path, form: Form, manifest: Manifest, compilation: Compilation) -> None:
    write_golden(output, make_golden(form.predictor, source.rows))
    copy_companions(source, output)
    write_compilation(output, compilation)
    write_manifest(output, manifest)
