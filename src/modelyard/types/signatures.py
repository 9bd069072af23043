"""A model's signature: named, typed tensors. Data types carry the names of the Open Inference Protocol v2."""

from dataclasses import dataclass
from enum import StrEnum

Scalar = str | int | float | bool


class DataType(StrEnum):
    """Element types. Source: Open Inference Protocol v2, "Tensor Data Types"."""

    BOOL = "BOOL"
    UINT8 = "UINT8"
    UINT16 = "UINT16"
    UINT32 = "UINT32"
    UINT64 = "UINT64"
    INT8 = "INT8"
    INT16 = "INT16"
    INT32 = "INT32"
    INT64 = "INT64"
    FP16 = "FP16"
    FP32 = "FP32"
    FP64 = "FP64"
    BYTES = "BYTES"

    __hash__ = str.__hash__  # the same value as Enum's own, which is written in Python and slows the hot path down


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """One named tensor.

    Attributes:
        name: tensor name, unique among the inputs (outputs) of a signature.
        datatype: element type; strings are BYTES (UTF-8).
        shape: -1 stands for a free dimension; the first dimension is the batch and is -1 unless the model is fixed.
        columns: names of the last dimension's entries, when they have any (table columns; class names of
            "probabilities"). A table with n numeric columns is one (-1, n) tensor with n names.
        allows_missing: NaN (FP*) or the empty string (BYTES) is accepted as "missing"; otherwise NaN is refused.
    """

    name: str
    datatype: DataType
    shape: tuple[int, ...]
    columns: tuple[str, ...] = ()
    allows_missing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Inputs and outputs of a model version.

    Classifiers answer two outputs: "label" (INT64 or BYTES, shape (-1,)) and "probabilities" (FP32, (-1, n_classes)),
    whose columns are the class names as strings. Regressors answer "prediction" (FP32, (-1,)).

    Attributes:
        inputs: what a request must send.
        outputs: what the answer holds.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names of a classifier; empty for other models."""
        return next((spec.columns for spec in self.outputs if spec.name == "probabilities"), ())
