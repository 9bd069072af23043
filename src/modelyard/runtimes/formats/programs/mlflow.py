"""An MLflow model (a folder with `MLmodel`) by its python_function flavour, in an environment of its own."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from modelyard.runtimes.base import ArtifactInvalidError
from modelyard.runtimes.foreign import adapters
from modelyard.runtimes.foreign.kinds import SIGNATURE
from modelyard.runtimes.foreign.process import ProcessPredictor
from modelyard.runtimes.foreign.runtime import ProgramPredictor, ProgramRuntime
from modelyard.types.models import ArtifactFormat
from modelyard.types.signatures import DataType, Signature, TensorSpec

_ADAPTER = Path(adapters.__file__).with_name("mlflow_model.py")
_UNNAMED = {"inputs": "input", "outputs": "prediction"}
# MLflow's column types. Source: MLflow documentation, "Model Signatures and Input Examples".
_COLUMN_TYPES = {
    "boolean": DataType.BOOL,
    "integer": DataType.INT32,
    "long": DataType.INT64,
    "float": DataType.FP32,
    "double": DataType.FP64,
    "string": DataType.BYTES,
}
_TENSOR_TYPES = {
    "bool": DataType.BOOL,
    "uint8": DataType.UINT8,
    "uint16": DataType.UINT16,
    "uint32": DataType.UINT32,
    "uint64": DataType.UINT64,
    "int8": DataType.INT8,
    "int16": DataType.INT16,
    "int32": DataType.INT32,
    "int64": DataType.INT64,
    "float16": DataType.FP16,
    "float32": DataType.FP32,
    "float64": DataType.FP64,
    "str": DataType.BYTES,
    "object": DataType.BYTES,
}


class MlflowRuntime(ProgramRuntime):
    """Loads it with `mlflow.pyfunc` of the model's own environment, in a process of its own."""

    format: ClassVar[ArtifactFormat] = ArtifactFormat.MLFLOW

    def load(self, artifact: Path, signature: Signature, *, threads: int = 1) -> ProgramPredictor:
        """A predictor; not thread-safe.

        Raises:
            ArtifactInvalidError: it has no python_function flavour, or MLflow cannot load it.
        """
        if "python_function" not in (_read(artifact).get("flavors") or {}):
            raise ArtifactInvalidError(
                "the MLflow model has no python_function flavour", hint="Save it with mlflow.<flavour>.save_model."
            )
        return ProcessPredictor(self.python, _ADAPTER, artifact.parent, signature, threads=threads)

    def infer_signature(self, artifact: Path) -> Signature:
        """What MLmodel says; a `signature.json` beside it goes first.

        Columns of one type make one tensor, named for the type ("double"); outputs are one tensor a column.

        Raises:
            ArtifactInvalidError: neither says what the model takes and gives.
        """
        if artifact.with_name(SIGNATURE).is_file():
            return super().infer_signature(artifact)
        written = _read(artifact).get("signature") or {}
        try:
            inputs, outputs = (json.loads(written[side]) for side in ("inputs", "outputs"))
            return Signature(inputs=_inputs(inputs), outputs=_outputs(outputs))
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactInvalidError(
                f"MLmodel has no signature that can be served ({type(error).__name__}: {error})",
                hint="Save it with typed inputs and outputs (mlflow.models.ModelSignature), or add signature.json.",
            ) from error

    def is_declared_pure(self, artifact: Path) -> bool:
        """As `signature.json` says, if there is one; MLflow has no word for it."""
        return artifact.with_name(SIGNATURE).is_file() and super().is_declared_pure(artifact)


def _read(artifact: Path) -> dict[str, Any]:
    import yaml  # noqa: PLC0415 - needed by this format only

    try:
        found = yaml.safe_load(artifact.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ArtifactInvalidError(f"MLmodel cannot be read: {error}", hint="Save the model again.") from error
    if not isinstance(found, dict):
        raise ArtifactInvalidError("MLmodel is no MLflow model", hint="Save the model again.")
    return found


def _inputs(entries: list[Mapping[str, Any]]) -> tuple[TensorSpec, ...]:
    if all(entry["type"] == "tensor" for entry in entries):
        return tuple(_tensor(entry, "inputs") for entry in entries)
    columns: dict[str, list[Mapping[str, Any]]] = {}
    for entry in entries:
        columns.setdefault(entry["type"], []).append(entry)
    return tuple(
        TensorSpec(
            name=kind,
            datatype=_COLUMN_TYPES[kind],
            shape=(-1, len(own)),
            columns=tuple(str(entry.get("name", position)) for position, entry in enumerate(own)),
            allows_missing=kind in ("float", "double", "string") and any(not e.get("required", True) for e in own),
        )
        for kind, own in columns.items()
    )


def _outputs(entries: list[Mapping[str, Any]]) -> tuple[TensorSpec, ...]:
    return tuple(
        _tensor(entry, "outputs")
        if entry["type"] == "tensor"
        else TensorSpec(
            name=entry.get("name") or _UNNAMED["outputs"], datatype=_COLUMN_TYPES[entry["type"]], shape=(-1,)
        )
        for entry in entries
    )


def _tensor(entry: Mapping[str, Any], side: str) -> TensorSpec:
    spec = entry["tensor-spec"]
    return TensorSpec(
        name=entry.get("name") or _UNNAMED[side],
        datatype=_TENSOR_TYPES[spec["dtype"]],
        shape=tuple(int(size) for size in spec["shape"]),
    )
