"""The npy format, in and out: one array, as `numpy.save` writes it.

Source: numpy.lib.format. `numpy.load` is not used: it allocates what a header claims before it looks for the bytes.
"""

import io
from collections.abc import Sequence
from math import prod

import numpy as np

from modelyard.dataplane.errors import BodyInvalidError, NotAcceptableError
from modelyard.dataplane.tensors import OutputRows, WireTensor
from modelyard.protocols.arrays import from_array
from modelyard.runtimes.base import Tensor
from modelyard.types.signatures import Signature

_PROBABILITIES = "probabilities"
_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_KINDS = "biufUS"


def parse_npy(body: bytes, signature: Signature) -> list[WireTensor]:
    """The tensor in a body.

    Raises:
        BodyInvalidError: no npy file, one of pickled objects, or one that is cut off.
        InvalidInputError: an array that the model does not take.
    """
    stream = io.BytesIO(body)
    try:
        version = np.lib.format.read_magic(stream)
        shape, is_fortran, dtype = _READERS[version](stream)
    except Exception as error:  # noqa: BLE001 - the header is a Python literal; whatever reading it raises is the reason
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise BodyInvalidError(f"the body is no npy file: {reason}", hint="Write it with numpy.save.") from None
    if dtype.hasobject or dtype.kind not in _KINDS:
        raise BodyInvalidError(
            f"the array's type {str(dtype)[:80]} is not taken", hint="Send numbers, booleans or fixed-width strings."
        )
    start = stream.tell()
    if any(size < 0 for size in shape) or prod(shape) * dtype.itemsize != len(body) - start or not dtype.itemsize:
        raise BodyInvalidError(
            f"the header means {prod(shape) * dtype.itemsize} bytes of data, {len(body) - start} came",
            hint="Send the whole file.",
        )
    flat = np.frombuffer(body, dtype, offset=start)
    return from_array(signature, _text(flat.reshape(shape, order="F" if is_fortran else "C")))


def output_of(signature: Signature) -> str:
    """The output that an npy answer holds: the only one, or a classifier's probabilities.

    Raises:
        NotAcceptableError: the model has several outputs.
    """
    names = [spec.name for spec in signature.outputs]
    if len(names) == 1:
        return names[0]
    if signature.class_names:
        return _PROBABILITIES
    raise NotAcceptableError(
        f"npy holds one array, this model answers {', '.join(names)[:200]}", hint="Accept application/json."
    )


def format_npy(outputs: Sequence[OutputRows], name: str) -> bytes:
    """The output `name` as an npy file; strings in NumPy's fixed-width form."""
    array = next(tensor for tensor in outputs if tensor.name == name).to_array()
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array.astype(str) if array.dtype == object else array, allow_pickle=False)
    return stream.getvalue()


def _text(array: Tensor) -> Tensor:
    """Byte strings as text."""
    if array.dtype.kind != "S":
        return array
    try:
        return np.char.decode(array, "utf-8")
    except UnicodeDecodeError:
        raise BodyInvalidError("a string in the array is no UTF-8", hint="Send UTF-8.") from None
