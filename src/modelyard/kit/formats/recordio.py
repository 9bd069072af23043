"""RecordIO frames, and the protobuf records and images inside them.

Source: docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html (the message `Record`);
mxnet.apache.org, "Data loading API", section "RecordIO format"; protobuf.dev/programming-guides/encoding.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np
from numpy.typing import NDArray

_MAGIC = 0xCED7230A
_LENGTH = (1 << 29) - 1  # the upper three bits say which part of a split record it is
_WHOLE, _LAST = 0, 3
_FEATURES, _LABEL = 1, 2
_FLOATS = 2
_DTYPES = {_FLOATS: "<f4", 3: "<f8", 7: "<i4"}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MOST_BITS = 63
_MOST_DIMENSIONS = 32
_IMAGE_HEADER = struct.Struct("<IfQQ")  # flag (number of further labels), label, id, second id


class DamagedRecordsError(ValueError):
    """Bytes that are no records; the words say where."""


@dataclass(frozen=True, slots=True)
class Vector:
    """A tensor of a record: dense, or the values at some keys."""

    values: NDArray[np.float64]
    keys: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    size: int = 0

    def dense(self, size: int) -> NDArray[np.float64]:
        """All `size` values; of a sparse row with no key at all, and so no value, zeros."""
        if len(self.values) and not len(self.keys):
            return self.values
        whole = np.zeros(size)
        whole[self.keys] = self.values
        return whole

    @property
    def length(self) -> int:
        """How many values it has at least."""
        return max(self.size, int(self.keys.max()) + 1) if len(self.keys) else max(self.size, len(self.values))


def frames(content: bytes) -> Iterator[bytes]:
    """The records of a RecordIO file.

    Raises:
        DamagedRecordsError: it is none.
    """
    position, parts = 0, []
    while position < len(content):
        if len(content) - position < 8:  # noqa: PLR2004 - magic and length
            raise _damaged("it ends within a record")
        magic, word = struct.unpack_from("<II", content, position)
        length = word & _LENGTH
        if magic != _MAGIC or position + 8 + length > len(content):
            raise _damaged("a record does not begin where it should")
        parts.append(content[position + 8 : position + 8 + length])
        position += 8 + length + -length % 4
        if word >> 29 in (_WHOLE, _LAST):
            yield struct.pack("<I", _MAGIC).join(parts)
            parts = []
    if parts:
        raise _damaged("its last record has no end")


def record(content: bytes) -> tuple[Vector, float | None]:
    """The features and the label of a protobuf record.

    Raises:
        DamagedRecordsError: it is none.
    """
    features, label = None, None
    for number, value in _fields(content):
        if number in (_FEATURES, _LABEL) and isinstance(value, bytes):
            vector = next((_vector(entry) for key, entry in _fields(value) if key == 2), None)  # noqa: PLR2004 - the value of a map's entry
            if number == _FEATURES:
                features = vector
            elif vector is not None and len(vector.values):
                label = float(vector.values[0])
    if features is None:
        raise _damaged("a record has no features")
    return features, label


def framed(content: bytes) -> bytes:
    """A RecordIO record of this content."""
    return struct.pack("<II", _MAGIC, len(content)) + content + b"\0" * (-len(content) % 4)


def answer(values: Mapping[str, Sequence[float]]) -> bytes:
    """A protobuf record whose label has these tensors: an answer of a built-in algorithm of AWS's."""
    return b"".join(_field(_LABEL, _field(1, name.encode()) + _field(2, _value(each))) for name, each in values.items())


def _value(numbers: Sequence[float]) -> bytes:
    packed = np.asarray(numbers, dtype="<f4").tobytes()
    return _field(_FLOATS, _field(1, packed))


def _field(number: int, content: bytes) -> bytes:
    """A field of bytes."""
    return _as_varint(number << 3 | _BYTES) + _as_varint(len(content)) + content


def _as_varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - more bytes follow
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def image(content: bytes) -> tuple[float, bytes]:
    """The label and the file of an image in a record that im2rec has written.

    Raises:
        DamagedRecordsError: it is none.
    """
    if len(content) < _IMAGE_HEADER.size:
        raise _damaged("a record is shorter than the header of an image")
    flag, label, _, _ = _IMAGE_HEADER.unpack_from(content)
    rest = content[_IMAGE_HEADER.size :]
    if flag:
        label = struct.unpack_from("<f", rest)[0]
        rest = rest[4 * flag :]
    return float(label), rest


def _vector(content: bytes | int) -> Vector | None:
    """A `Value`: one of several kinds of tensors."""
    if not isinstance(content, bytes):
        return None
    for number, tensor in _fields(content):
        if number in _DTYPES and isinstance(tensor, bytes):
            return _tensor(tensor, _DTYPES[number])
    return None


def _tensor(content: bytes, dtype: str) -> Vector:
    values: list[bytes] = []
    keys: list[int] = []
    shape: list[int] = []
    for number, value in _fields(content):
        if number == 1:
            values.append(_packed(value, dtype))
        elif number == 2:  # noqa: PLR2004 - field numbers of the message
            keys += _varints(value)
        elif number == 3:  # noqa: PLR2004
            shape += _varints(value)
    if len(shape) > _MOST_DIMENSIONS:
        raise _damaged(f"a tensor has {len(shape)} dimensions")
    numbers = np.frombuffer(b"".join(values), dtype=dtype).astype(np.float64)
    if keys and len(keys) != len(numbers):
        raise _damaged(f"a tensor has {len(keys)} keys and {len(numbers)} values")
    return Vector(numbers, np.array(keys, dtype=np.int64), prod(shape) if shape else 0)


def _packed(value: bytes | int, dtype: str) -> bytes:
    """Numbers of a fixed size as they are; those of a variable size (int32) written out."""
    if dtype == "<i4":
        return np.array(_varints(value), dtype=np.uint64).astype("<i4").tobytes()
    return value if isinstance(value, bytes) else value.to_bytes(8 if dtype == "<f8" else 4, "little")


def _fields(content: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Field numbers and values of a protobuf message."""
    position = 0
    while position < len(content):
        tag, position = _varint(content, position)
        kind = tag & 7
        if kind == _VARINT:
            value, position = _varint(content, position)
            yield tag >> 3, value
        elif kind == _BYTES:
            length, position = _varint(content, position)
            if position + length > len(content):
                raise _damaged("a field is longer than its record")
            yield tag >> 3, content[position : position + length]
            position += length
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
            yield tag >> 3, int.from_bytes(content[position : position + size], "little")
            position += size
        else:
            raise _damaged(f"a field is of the unknown kind {kind}")


def _varints(value: bytes | int) -> list[int]:
    """One number, or several that are packed."""
    if isinstance(value, int):
        return [value]
    found, position = [], 0
    while position < len(value):
        number, position = _varint(value, position)
        found.append(number)
    return found


def _varint(content: bytes, position: int) -> tuple[int, int]:
    number, shift = 0, 0
    while True:
        if position >= len(content) or shift > _MOST_BITS:
            raise _damaged("a number is cut off")
        byte = content[position]
        number |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:  # noqa: PLR2004 - the last byte of a number
            return number, position


def _damaged(reason: str) -> DamagedRecordsError:
    return DamagedRecordsError(f"no RecordIO: {reason}")
