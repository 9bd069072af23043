"""The tensors that every tabular runtime answers with, so that all of them follow types.signatures.Signature."""

from collections.abc import Sequence

import numpy as np

from modelyard.runtimes.base import Tensor, Tensors
from modelyard.types.signatures import DataType, Signature, TensorSpec


def table_input(columns: Sequence[str], width: int, *, allows_missing: bool) -> tuple[TensorSpec, ...]:
    """The input "numeric" of `width` columns; their names, if they are as many."""
    named = tuple(columns) if len(columns) == width else ()
    return (
        TensorSpec(
            name="numeric", datatype=DataType.FP32, shape=(-1, width), columns=named, allows_missing=allows_missing
        ),
    )


def classifier_outputs(class_names: Sequence[str], label: DataType = DataType.INT64) -> tuple[TensorSpec, ...]:
    """The outputs "label" and "probabilities"."""
    names = tuple(class_names)
    return (
        TensorSpec(name="label", datatype=label, shape=(-1,)),
        TensorSpec(name="probabilities", datatype=DataType.FP32, shape=(-1, len(names)), columns=names),
    )


def regressor_outputs(width: int = 1) -> tuple[TensorSpec, ...]:
    """The output "prediction"; two-dimensional for several targets."""
    shape = (-1,) if width == 1 else (-1, width)
    return (TensorSpec(name="prediction", datatype=DataType.FP32, shape=shape),)


def classify(signature: Signature, probabilities: Tensor) -> Tensors:
    """Label and probabilities from class probabilities (n, k); a vector (n,) holds those of the second of two."""
    if probabilities.ndim == 1:
        probabilities = np.stack([1 - probabilities, probabilities], axis=1)
    best = probabilities.argmax(axis=1)
    names = signature.class_names
    is_text = signature.outputs[0].datatype is DataType.BYTES
    classes = np.array(names, dtype=object) if is_text else np.array([int(name) for name in names], dtype=np.int64)
    return {"label": classes[best], "probabilities": np.ascontiguousarray(probabilities, dtype=np.float32)}


def regress(values: Tensor) -> Tensors:
    """The prediction as FP32; a single column becomes a vector."""
    flat = values.reshape(-1) if values.ndim > 1 and values.shape[1] == 1 else values
    return {"prediction": np.ascontiguousarray(flat, dtype=np.float32)}


def softmax(margins: Tensor) -> Tensor:
    """Row-wise softmax of (n, k)."""
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def sigmoid(margins: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * margins.astype(np.float64))))
