"""Models that take and give whole bodies: inference containers and script handlers read any content type themselves.

To the data plane such a body is a tensor of bytes like any other. Its leading dimension is 1: bodies of two requests
have unequal sizes, so they never make one batch.
"""

from modelyard.types.signatures import DataType, Signature, TensorSpec

BODY = "body"
CONTENT_TYPE = "content_type"
ACCEPT = "accept"
ATTRIBUTES = "custom_attributes"
TARGET = "target"
STATUS = "status"


def _text(name: str) -> TensorSpec:
    return TensorSpec(name=name, datatype=DataType.BYTES, shape=(1,))


_BYTES = TensorSpec(name=BODY, datatype=DataType.UINT8, shape=(1, -1))

BODY_SIGNATURE = Signature(
    inputs=(_BYTES, _text(CONTENT_TYPE), _text(ACCEPT), _text(ATTRIBUTES), _text(TARGET)),
    outputs=(
        _BYTES,
        _text(CONTENT_TYPE),
        _text(ATTRIBUTES),
        TensorSpec(name=STATUS, datatype=DataType.INT32, shape=(1,)),
    ),
)
"""A request's body with its Content-Type, Accept, custom attributes and target model; the answer with its status."""

_INPUTS = tuple(spec.name for spec in BODY_SIGNATURE.inputs)


def takes_bodies(signature: Signature) -> bool:
    """True for a model whose inputs are those of BODY_SIGNATURE."""
    return len(signature.inputs) == len(_INPUTS) and tuple(spec.name for spec in signature.inputs) == _INPUTS
