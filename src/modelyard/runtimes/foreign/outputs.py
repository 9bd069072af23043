"""What a program answered, as its signature says it."""

import numpy as np

from modelyard.runtimes.base import Tensor, numpy_dtype
from modelyard.runtimes.tensors import TensorInvalidError
from modelyard.types.signatures import TensorSpec

# Kind of NumPy type that the signature wants -> kinds that are converted to it.
_CONVERTIBLE = {"b": "b", "i": "iu", "u": "iu", "f": "fiu", "O": ""}


def fitting(spec: TensorSpec, array: Tensor | None) -> Tensor:
    """The output as its spec says it: numbers of one kind are converted, everything else must fit.

    Raises:
        TensorInvalidError: it is missing, of another kind or of another shape.
    """
    if array is None:
        raise TensorInvalidError(f"the program gave no output '{spec.name}', which its signature names")
    wanted = numpy_dtype(spec.datatype)
    if array.dtype != wanted:
        if array.dtype.kind not in _CONVERTIBLE[wanted.kind]:
            raise TensorInvalidError(f"output '{spec.name}' is {array.dtype}, the signature says {spec.datatype}")
        with np.errstate(over="ignore"):
            converted = array.astype(wanted)
        if wanted.kind in "iu" and not np.array_equal(converted, array):
            raise TensorInvalidError(f"output '{spec.name}' has a value that {spec.datatype} cannot hold")
        array = converted
    is_shaped = len(array.shape) == len(spec.shape) and all(
        want in (-1, got) for want, got in zip(spec.shape, array.shape, strict=True)
    )
    if not is_shaped:
        shapes = f"{list(array.shape)}, the signature says {list(spec.shape)}"
        raise TensorInvalidError(f"output '{spec.name}' has the shape {shapes}")
    return array
