"""RecordIO files as AWS's tools write them: protobuf records of rows, and images of im2rec."""

import struct
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from numpy.typing import NDArray

_MAGIC = 0xCED7230A


def frame(content: bytes) -> bytes:
    """A RecordIO record."""
    return struct.pack("<II", _MAGIC, len(content)) + content + b"\0" * (-len(content) % 4)


def labelled_image(label: int, image: bytes) -> bytes:
    """A record of an image file."""
    return frame(struct.pack("<IfQQ", 0, label, 0, 0) + image)


def record(row: NDArray[np.float32], label: float | None = None, *, is_sparse: bool = False) -> bytes:
    """A record of a row (d,), as the real protobuf library writes it."""
    made = _RECORD()
    tensor = made.features["values"].float32_tensor
    if is_sparse:
        keys = np.flatnonzero(row)
        tensor.values.extend(row[keys].tolist())
        tensor.keys.extend(keys.tolist())
        tensor.shape.append(len(row))
    else:
        tensor.values.extend(row.tolist())
    if label is not None:
        made.label["values"].float32_tensor.values.append(label)
    content: bytes = made.SerializeToString()
    return frame(content)


def answers(content: bytes) -> list[dict[str, list[float]]]:
    """What an endpoint has answered in records: the tensors of each label, by their names."""
    found = []
    while content:
        _, length = struct.unpack_from("<II", content)
        made = _RECORD()
        made.ParseFromString(content[8 : 8 + length])
        labels = made.label.items()
        found.append({name: list(value.float32_tensor.values) for name, value in labels})
        content = content[8 + length + -length % 4 :]
    return found


def _record_class() -> Any:
    """The message `Record` of AWS's documentation, without the kinds of tensors that are not used here."""
    file = descriptor_pb2.FileDescriptorProto(name="record.proto", package="aialgs", syntax="proto2")
    kinds = descriptor_pb2.FieldDescriptorProto
    tensor = file.message_type.add(name="Float32Tensor")
    for number, (name, kind) in enumerate(
        (("values", kinds.TYPE_FLOAT), ("keys", kinds.TYPE_UINT64), ("shape", kinds.TYPE_UINT64)), 1
    ):
        field = tensor.field.add(name=name, number=number, type=kind, label=kinds.LABEL_REPEATED)
        field.options.packed = True
    value = file.message_type.add(name="Value")
    value.field.add(
        name="float32_tensor", number=2, type=kinds.TYPE_MESSAGE, type_name=".aialgs.Float32Tensor",
        label=kinds.LABEL_OPTIONAL,
    )  # fmt: skip
    record = file.message_type.add(name="Record")
    for number, name in ((1, "features"), (2, "label")):
        entry = record.nested_type.add(name=f"{name.capitalize()}Entry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, type=kinds.TYPE_STRING, label=kinds.LABEL_OPTIONAL)
        entry.field.add(
            name="value", number=2, type=kinds.TYPE_MESSAGE, type_name=".aialgs.Value", label=kinds.LABEL_OPTIONAL
        )
        record.field.add(
            name=name, number=number, type=kinds.TYPE_MESSAGE, label=kinds.LABEL_REPEATED,
            type_name=f".aialgs.Record.{name.capitalize()}Entry",
        )  # fmt: skip
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("aialgs.Record"))


_RECORD = _record_class()
