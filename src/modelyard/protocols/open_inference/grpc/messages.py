"""The protocol's messages, made from a table instead of generated code, in a pool of their own.

So no compiler is needed to build Modelyard, and a client's generated messages of the same names may be loaded beside
these. Field numbers are the specification's.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

PACKAGE = "inference"
SERVICE = f"{PACKAGE}.GRPCInferenceService"

_PARAMETERS = "map InferParameter parameters"
_TENSOR = ("string name = 1", "string datatype = 2", "repeated int64 shape = 3")
_CONTENTS = (*_TENSOR, f"{_PARAMETERS} = 4", "InferTensorContents contents = 5")
_MESSAGES: Mapping[str, tuple[str, ...]] = {
    "ServerLiveRequest": (),
    "ServerLiveResponse": ("bool live = 1",),
    "ServerReadyRequest": (),
    "ServerReadyResponse": ("bool ready = 1",),
    "ModelReadyRequest": ("string name = 1", "string version = 2"),
    "ModelReadyResponse": ("bool ready = 1",),
    "ServerMetadataRequest": (),
    "ServerMetadataResponse": ("string name = 1", "string version = 2", "repeated string extensions = 3"),
    "ModelMetadataRequest": ("string name = 1", "string version = 2"),
    "ModelMetadataResponse": (
        "string name = 1",
        "repeated string versions = 2",
        "string platform = 3",
        "repeated ModelMetadataResponse.TensorMetadata inputs = 4",
        "repeated ModelMetadataResponse.TensorMetadata outputs = 5",
    ),
    "ModelMetadataResponse.TensorMetadata": _TENSOR,
    "InferParameter": (
        "oneof bool bool_param = 1",
        "oneof int64 int64_param = 2",
        "oneof string string_param = 3",
        "oneof double double_param = 4",
        "oneof uint64 uint64_param = 5",
    ),
    "InferTensorContents": (
        "repeated bool bool_contents = 1",
        "repeated int32 int_contents = 2",
        "repeated int64 int64_contents = 3",
        "repeated uint32 uint_contents = 4",
        "repeated uint64 uint64_contents = 5",
        "repeated float fp32_contents = 6",
        "repeated double fp64_contents = 7",
        "repeated bytes bytes_contents = 8",
    ),
    "ModelInferRequest": (
        "string model_name = 1",
        "string model_version = 2",
        "string id = 3",
        f"{_PARAMETERS} = 4",
        "repeated ModelInferRequest.InferInputTensor inputs = 5",
        "repeated ModelInferRequest.InferRequestedOutputTensor outputs = 6",
        "repeated bytes raw_input_contents = 7",
    ),
    "ModelInferRequest.InferInputTensor": _CONTENTS,
    "ModelInferRequest.InferRequestedOutputTensor": ("string name = 1", f"{_PARAMETERS} = 2"),
    "ModelInferResponse": (
        "string model_name = 1",
        "string model_version = 2",
        "string id = 3",
        f"{_PARAMETERS} = 4",
        "repeated ModelInferResponse.InferOutputTensor outputs = 5",
        "repeated bytes raw_output_contents = 6",
    ),
    "ModelInferResponse.InferOutputTensor": _CONTENTS,
    "ModelStreamInferResponse": ("string error_message = 1", "ModelInferResponse infer_response = 2"),
}
_SCALARS = {
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "uint32": FieldDescriptorProto.TYPE_UINT32,
    "uint64": FieldDescriptorProto.TYPE_UINT64,
    "float": FieldDescriptorProto.TYPE_FLOAT,
    "double": FieldDescriptorProto.TYPE_DOUBLE,
    "string": FieldDescriptorProto.TYPE_STRING,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
}
_ONEOF = "parameter_choice"


class _Field(NamedTuple):
    label: str
    type: str
    name: str
    number: int


def make_messages() -> Mapping[str, Any]:
    """Message name without the package -> class."""
    pool = descriptor_pool.DescriptorPool()
    file = FileDescriptorProto(name="modelyard/inference.proto", package=PACKAGE, syntax="proto3")
    described: dict[str, DescriptorProto] = {}
    for full_name, fields in _MESSAGES.items():
        outer, _, name = full_name.rpartition(".")
        message = described[outer].nested_type.add() if outer else file.message_type.add()
        message.name = name
        described[full_name] = message
        for field in _parsed(fields):
            _add_field(message, full_name, field)
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in _MESSAGES
    }


def _parsed(fields: tuple[str, ...]) -> Iterator[_Field]:
    for text in fields:
        words, _, number = text.partition(" = ")
        *label, kind, name = words.split()
        yield _Field(label[0] if label else "", kind, name, int(number))


def _add_field(message: DescriptorProto, owner: str, field: _Field) -> None:
    is_repeated = field.label in {"repeated", "map"}
    label = FieldDescriptorProto.LABEL_REPEATED if is_repeated else FieldDescriptorProto.LABEL_OPTIONAL
    kind = _map_entry(message, owner, field.type) if field.label == "map" else field.type
    added = message.field.add(name=field.name, number=field.number, label=label)
    if kind in _SCALARS:
        added.type = _SCALARS[kind]
    else:
        added.type, added.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
    if field.label == "oneof":
        if not message.oneof_decl:
            message.oneof_decl.add(name=_ONEOF)
        added.oneof_index = 0


def _map_entry(message: DescriptorProto, owner: str, kind: str) -> str:
    """A map is a repeated message of keys and values, by protobuf's own definition."""
    entry = message.nested_type.add(name="ParametersEntry")
    entry.options.map_entry = True
    _add_field(entry, owner, _Field("", "string", "key", 1))
    _add_field(entry, owner, _Field("", kind, "value", 2))
    return f"{owner}.ParametersEntry"


MESSAGES = make_messages()
