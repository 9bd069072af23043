"""Bodies that are decoded in another process, and what comes back as tensors of a signature."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from modelyard.dataplane.decoding.messages import ImageForm, Job, JobKind
from modelyard.dataplane.errors import UnsupportedMediaTypeError
from modelyard.dataplane.tensors import WireTensor
from modelyard.protocols.arrays import from_array, from_arrays
from modelyard.protocols.invocations.media_types import Format
from modelyard.protocols.invocations.tables import check_columns
from modelyard.types.signatures import DataType, Signature

_CHANNELS = (1, 3)
_GREY_RANK, _COLOUR_RANK = 2, 3
_ROWS_RANK = 2
_NUMBERS = frozenset(DataType) - {DataType.BOOL, DataType.BYTES}
_FLOATS = frozenset({DataType.FP16, DataType.FP32, DataType.FP64})


class Encoding(NamedTuple):
    """A format that is decoded in another process: what it is to do, and what becomes of what it says."""

    job_of: Callable[[bytes, Signature], Job]
    tensors_of: Callable[[Signature, Sequence[WireTensor]], list[WireTensor]]


class _Layout(NamedTuple):
    """How a signature holds an image: the form, and where its channels are ("": there is no such dimension)."""

    form: ImageForm
    channels: str


def parquet_job(body: bytes, _signature: Signature) -> Job:
    """What decodes a table."""
    return Job(JobKind.PARQUET, body)


def from_parquet(signature: Signature, columns: Sequence[WireTensor]) -> list[WireTensor]:
    """The tensors of a decoded table, whose columns are the model's columns or inputs.

    Raises:
        InvalidInputError: unknown or missing columns, values of another type.
    """
    arrays = {column.name: column.to_array() for column in columns}
    check_columns(signature, arrays)
    return from_arrays(signature, arrays)


def image_job(body: bytes, signature: Signature) -> Job:
    """What decodes an image into the size that the model takes.

    Raises:
        UnsupportedMediaTypeError: the model takes no images.
    """
    return Job(JobKind.IMAGE, body, _layout(signature).form)


def from_pixels(signature: Signature, columns: Sequence[WireTensor]) -> list[WireTensor]:
    """A batch of one image, values 0 to 255, as training on image data sets has them."""
    pixels = columns[0].to_array()
    channels = _layout(signature).channels
    if not channels:
        pixels = pixels[:, :, 0]
    elif channels == "first":
        pixels = np.moveaxis(pixels, -1, 0)
    return from_array(signature, pixels[np.newaxis])


def records_job(body: bytes, signature: Signature) -> Job:
    """What decodes protobuf records of rows.

    Raises:
        UnsupportedMediaTypeError: the model takes no rows of numbers.
    """
    return Job(JobKind.RECORDS, body, width=_width(signature, _NUMBERS))


def libsvm_job(body: bytes, signature: Signature) -> Job:
    """What decodes lines of libsvm into rows with gaps.

    Raises:
        UnsupportedMediaTypeError: the model takes no rows of floating-point numbers.
    """
    return Job(JobKind.LIBSVM, body, width=_width(signature, _FLOATS))


def from_records(signature: Signature, columns: Sequence[WireTensor]) -> list[WireTensor]:
    """The rows of decoded records or lines."""
    return from_array(signature, columns[0].to_array())


ENCODED: Mapping[Format, Encoding] = {
    Format.PARQUET: Encoding(parquet_job, from_parquet),
    Format.IMAGE: Encoding(image_job, from_pixels),
    Format.RECORDS: Encoding(records_job, from_records),
    Format.LIBSVM: Encoding(libsvm_job, from_records),
}


def _width(signature: Signature, datatypes: Collection[DataType]) -> int:
    """How many numbers of these types a row has that the model takes."""
    spec = signature.inputs[0]
    is_table = len(signature.inputs) == 1 and len(spec.shape) == _ROWS_RANK and spec.shape[1] > 0
    if not is_table or spec.datatype not in datatypes:
        raise UnsupportedMediaTypeError("this model takes no rows of numbers", hint="Send application/json.")
    return spec.shape[1]


def _layout(signature: Signature) -> _Layout:
    spec = signature.inputs[0]
    rest = spec.shape[1:]
    if len(signature.inputs) == 1 and spec.datatype in _NUMBERS and spec.shape[:1] in {(-1,), (1,)}:
        if len(rest) == _GREY_RANK:
            return _Layout(ImageForm(_size(rest[0]), _size(rest[1]), 1), "")
        if len(rest) == _COLOUR_RANK and rest[2] in _CHANNELS:
            return _Layout(ImageForm(_size(rest[0]), _size(rest[1]), rest[2]), "last")
        if len(rest) == _COLOUR_RANK and rest[0] in _CHANNELS:
            return _Layout(ImageForm(_size(rest[1]), _size(rest[2]), rest[0]), "first")
    raise UnsupportedMediaTypeError("this model takes no images", hint="Send application/json or text/csv.")


def _size(size: int) -> int:
    return max(size, 0)
