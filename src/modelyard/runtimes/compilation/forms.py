"""The forms of a model: how each is made, as a file that a runtime loads."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from modelyard.errors import ModelyardError
from modelyard.runtimes.base import Predictor
from modelyard.runtimes.catalog import runtime_for
from modelyard.runtimes.convert import convert_artifact
from modelyard.types.models import ArtifactFormat
from modelyard.types.signatures import Signature

ONNX_FILE = "model.onnx"
FLOAT64_FILE = "model.float64.onnx"
OPTIMISED_FILE = "model.optimised.onnx"
_MOST_OPTIMISED_BYTES = 64 << 20


Maker = Callable[[Path], str]
"""Writes a form to a file; the answer is why that is of no use, and empty if it is of use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form that could be made and loaded."""

    name: str
    file: Path
    format: ArtifactFormat
    predictor: Predictor


def load_form(name: str, file: Path, format: ArtifactFormat, signature: Signature) -> Form:
    """A form that lies in a file, on one thread: what a replica with one processor has.

    Raises:
        ArtifactInvalidError: it cannot be loaded, or does not fit the signature.
    """
    return Form(name=name, file=file, format=format, predictor=runtime_for(format).load(file, signature, threads=1))


def make_form(name: str, file: Path, signature: Signature, make: Maker) -> Form | str:
    """An ONNX form that `make` writes to `file`, or why there is none; then no file is left."""
    try:
        reason = make(file)
        if not reason:
            return load_form(name, file, ArtifactFormat.ONNX, signature)
    except ModelyardError as error:
        reason = error.message
    except Exception as error:  # noqa: BLE001 - a form that cannot be made must not harm those that can
        reason = f"{type(error).__name__}: {str(error)[:300]}"
    file.unlink(missing_ok=True)
    return reason


def converter(original: Form, signature: Signature, *, is_double: bool = False) -> Maker:
    """Writes the ONNX form of an original."""

    def make(file: Path) -> str:
        file.write_bytes(convert_artifact(original.format, original.file, signature, is_double=is_double))
        return ""

    return make


def optimiser(source: Path) -> Maker:
    """Writes an ONNX file whose constants are folded and whose operators are fused, as runs on every CPU."""

    def make(file: Path) -> str:
        import onnxruntime  # noqa: PLC0415 - 0.27 s

        if source.stat().st_size > _MOST_OPTIMISED_BYTES:
            return f"the file has over {_MOST_OPTIMISED_BYTES >> 20} MiB: it is optimised each time it is loaded"
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(file)
        options.log_severity_level = 4
        onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
        is_same = _operators(source) == _operators(file)
        return "there is nothing to fold or to fuse in the graph" if is_same else ""

    return make


def _operators(file: Path) -> list[str]:
    import onnx  # noqa: PLC0415 - heavy

    return [node.op_type for node in onnx.load(str(file)).graph.node]
