"""Which models take text, and their tensors."""

from collections.abc import Sequence

from modelyard.dataplane.errors import ModelNotSuitableError
from modelyard.dataplane.tensors import WireTensor
from modelyard.protocols.inputs import checked, encode_list
from modelyard.types.signatures import DataType, Signature, TensorSpec

_VECTOR_RANK = 2
_FLOATS = (DataType.FP16, DataType.FP32, DataType.FP64)


def takes_text(signature: Signature) -> bool:
    """True if the model takes one text a row and nothing else."""
    return len(signature.inputs) == 1 and _is_text(signature.inputs[0])


def is_generator(signature: Signature) -> bool:
    """True if the model answers a text with a text."""
    return takes_text(signature) and len(signature.outputs) == 1 and _is_text(signature.outputs[0])


def is_embedder(signature: Signature) -> bool:
    """True if the model answers a text with a vector."""
    outputs = signature.outputs
    is_vector = len(outputs) == 1 and outputs[0].datatype in _FLOATS and len(outputs[0].shape) == _VECTOR_RANK
    return takes_text(signature) and is_vector


def text_tensors(signature: Signature, texts: Sequence[str]) -> tuple[tuple[WireTensor, ...], int]:
    """The input of a model that takes text, and the number of rows.

    Raises:
        InvalidInputError: no text at all, or one that the model does not take.
    """
    spec = signature.inputs[0]
    shape = (len(texts),) if len(spec.shape) == 1 else (len(texts), 1)
    return checked(signature, [encode_list(spec.name, spec.datatype, shape, list(texts))])


def not_suitable(what: str) -> ModelNotSuitableError:
    """The error for an endpoint whose model cannot `what`."""
    return ModelNotSuitableError(
        f"the model of this endpoint cannot {what}",
        hint="GET /v1/models lists the endpoints that take text; an endpoint's /docs page shows what its model takes.",
        field="model",
    )


def _is_text(spec: TensorSpec) -> bool:
    return spec.datatype is DataType.BYTES and spec.shape in {(-1,), (-1, 1)}
