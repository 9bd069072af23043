"""ONNX through ONNX Runtime. Imports nothing but NumPy and onnxruntime: all that a worker needs."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from modelyard.runtimes.base import ArtifactInvalidError, PredictionFailedError, Predictor, Runtime, Tensor, Tensors
from modelyard.types.models import ArtifactFormat
from modelyard.types.signatures import DataType, Signature, TensorSpec

_DATATYPES = {
    "tensor(bool)": DataType.BOOL,
    "tensor(uint8)": DataType.UINT8,
    "tensor(uint16)": DataType.UINT16,
    "tensor(uint32)": DataType.UINT32,
    "tensor(uint64)": DataType.UINT64,
    "tensor(int8)": DataType.INT8,
    "tensor(int16)": DataType.INT16,
    "tensor(int32)": DataType.INT32,
    "tensor(int64)": DataType.INT64,
    "tensor(float16)": DataType.FP16,
    "tensor(float)": DataType.FP32,
    "tensor(double)": DataType.FP64,
    "tensor(string)": DataType.BYTES,
}
COLUMNS = "modelyard.columns"
"""Metadata by which a file names the columns of its inputs: a JSON object, input -> columns."""

_FATAL = 4


class OnnxPredictor(Predictor):
    """A session whose inputs and outputs have the signature's names. Safe to call from several threads."""

    def __init__(self, session: Any, signature: Signature) -> None:
        self._session = session
        self._names = [spec.name for spec in signature.outputs]

    def predict(self, inputs: Mapping[str, Tensor]) -> Tensors:
        """Outputs in the signature's order.

        Raises:
            PredictionFailedError: ONNX Runtime refused the batch or failed in it.
        """
        try:
            values = self._session.run(self._names, inputs)
        except Exception as error:  # onnxruntime raises many unrelated types
            raise PredictionFailedError(error) from error
        return dict(zip(self._names, values, strict=True))


class OnnxRuntime(Runtime):
    """Serves ONNX files on the CPU.

    Attributes:
        has_shared_arena: its sessions take memory for their batches from the one that `share_arena` made.
    """

    format: ClassVar[ArtifactFormat] = ArtifactFormat.ONNX

    def __init__(self, *, has_shared_arena: bool = False) -> None:
        self.has_shared_arena = has_shared_arena

    def load(self, artifact: Path, signature: Signature, *, threads: int = 1) -> Predictor:
        """A predictor; thread-safe.

        Raises:
            ArtifactInvalidError: no ONNX model, or its tensors are not those of the signature.
        """
        session = open_session(artifact, threads=threads, has_shared_arena=self.has_shared_arena)
        _check_fits(signature.inputs, session.get_inputs(), "input")
        _check_fits(signature.outputs, session.get_outputs(), "output")
        return OnnxPredictor(session, signature)

    def infer_signature(self, artifact: Path) -> Signature:
        """Names, types and shapes as the file declares them, columns if it names them; class names are not in it.

        Raises:
            ArtifactInvalidError: no ONNX model, or a tensor type that cannot be served (sequences, maps).
        """
        session = open_session(artifact, threads=1)
        columns = _columns(session.get_modelmeta().custom_metadata_map.get(COLUMNS, "{}"))
        return Signature(
            inputs=tuple(_with_columns(_spec(node), columns) for node in session.get_inputs()),
            outputs=tuple(_spec(node) for node in session.get_outputs()),
        )


def _columns(told: str) -> dict[str, list[str]]:
    """Input -> its columns, as the metadata of a file has them."""
    try:
        found = json.loads(told)
        return {str(name): [str(column) for column in columns] for name, columns in found.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise ArtifactInvalidError(
            f"the ONNX file's metadata '{COLUMNS}' is no JSON object of columns by input",
            hint='Write it like {"numbers": ["rooms", "area"]}, or leave it out.',
        ) from error


def _with_columns(spec: TensorSpec, columns: Mapping[str, list[str]]) -> TensorSpec:
    found = columns.get(spec.name)
    if found is None:
        return spec
    width = spec.shape[-1] if spec.shape else 0
    if len(found) != width or len(set(found)) < width:
        raise ArtifactInvalidError(
            f"the ONNX file's metadata '{COLUMNS}' does not name the {width} columns of '{spec.name}', each once",
            hint="Correct it, or leave it out.",
        )
    return replace(spec, columns=tuple(found))


def share_arena() -> None:
    """Make one arena for all sessions of this process that ask for it; call it once, before the first of them.

    200 small models after a batch of 256 rows each: 84 MB with it, 92 MB with an arena each.
    """
    import onnxruntime  # noqa: PLC0415 - heavy

    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg(0, -1, -1, -1))


def open_session(artifact: Path, *, threads: int, has_shared_arena: bool = False) -> Any:
    """An onnxruntime.InferenceSession on the CPU.

    Args:
        artifact: the file.
        threads: for one batch.
        has_shared_arena: see `share_arena`.

    Raises:
        ArtifactInvalidError: the file cannot be loaded.
    """
    # 0.27 s: imported with the first model, not with this module.
    import onnxruntime  # noqa: PLC0415

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    # Spinning threads of idle replicas would take the cores from the busy ones.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if has_shared_arena:
        options.add_session_config_entry("session.use_env_allocators", "1")
    options.log_severity_level = _FATAL
    try:
        return onnxruntime.InferenceSession(str(artifact), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises many unrelated types
        raise ArtifactInvalidError(
            f"ONNX Runtime cannot load the artifact: {_first_line(error)}",
            hint="Check it with onnx.checker.check_model; export to an older opset if the operator is too new.",
        ) from error


def _first_line(error: Exception) -> str:
    """The first line of an error's text, cut to a readable length."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _spec(node: Any) -> TensorSpec:
    if node.type not in _DATATYPES:
        raise ArtifactInvalidError(
            f"tensor '{node.name}' is of type {node.type}, which cannot be served",
            hint="Export with plain tensors (skl2onnx: options={'zipmap': False}).",
        )
    shape = tuple(size if isinstance(size, int) and size > 0 else -1 for size in node.shape)
    return TensorSpec(name=node.name, datatype=_DATATYPES[node.type], shape=shape)


def _check_fits(specs: tuple[TensorSpec, ...], nodes: list[Any], kind: str) -> None:
    found = {node.name: node for node in nodes}
    for spec in specs:
        node = found.get(spec.name)
        if node is None:
            raise ArtifactInvalidError(
                f"the signature names the {kind} '{spec.name}', the artifact has {sorted(found)}",
                hint="Register the bare artifact and let the signature be inferred.",
            )
        datatype = _DATATYPES.get(node.type)
        if datatype is not spec.datatype:
            raise ArtifactInvalidError(
                f"{kind} '{spec.name}' is {spec.datatype} in the signature and {node.type} in the artifact",
                hint="Register the bare artifact and let the signature be inferred.",
            )
    extra = set(found) - {spec.name for spec in specs} if kind == "input" else set()
    if extra:
        raise ArtifactInvalidError(
            f"the artifact needs the inputs {sorted(extra)}, which the signature does not have",
            hint="Register the bare artifact and let the signature be inferred.",
        )
