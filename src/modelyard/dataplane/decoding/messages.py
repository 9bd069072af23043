"""What the gateway and the decoding process say to each other, over the process's standard input and output.

    message := uint32 length | msgpack

One Job is answered by one Decoded or Refused before the next is read.
"""

import struct
from enum import StrEnum

import msgspec

from modelyard.types.signatures import DataType

PREFIX = struct.Struct("<I")


class JobKind(StrEnum):
    """What a body holds."""

    PARQUET = "parquet"
    IMAGE = "image"
    RECORDS = "records"
    LIBSVM = "libsvm"


class ImageForm(msgspec.Struct, array_like=True, frozen=True):
    """What an image is to become: (height, width, channels) bytes. Height or width 0: as it is."""

    height: int
    width: int
    channels: int


class Job(msgspec.Struct, array_like=True, frozen=True):
    """A body to decode. `width`: how many numbers a row has, of records and lines."""

    kind: JobKind
    body: bytes
    image: ImageForm | None = None
    width: int = 0


class Column(msgspec.Struct, array_like=True, frozen=True):
    """One tensor of the answer: raw bytes, as types.tensors.RawTensor holds them."""

    name: str
    datatype: DataType
    shape: tuple[int, ...]
    data: bytes


class Decoded(msgspec.Struct, array_like=True, frozen=True, tag="decoded"):
    """What a body held."""

    columns: tuple[Column, ...]


class Refused(msgspec.Struct, array_like=True, frozen=True, tag="refused"):
    """Why a body holds nothing that a model could take."""

    message: str
    hint: str
    is_too_large: bool = False
    field: str | None = None


def pack(message: Job | Decoded | Refused) -> bytes:
    """A message with its length."""
    content = msgspec.msgpack.encode(message)
    return PREFIX.pack(len(content)) + content
