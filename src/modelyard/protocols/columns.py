"""Inputs that are columns of a model's tables, one tensor each, as clients that have a data frame send them."""

from collections.abc import Sequence

from modelyard.dataplane.tensors import WireTensor
from modelyard.protocols.arrays import from_arrays
from modelyard.protocols.invocations.tables import check_columns, columns_of
from modelyard.runtimes.validate import TensorShapeError, TensorUnknownError
from modelyard.types.signatures import Signature


def gathered(signature: Signature, given: Sequence[WireTensor]) -> Sequence[WireTensor]:
    """The tensors of a signature out of its columns, each of shape (rows,) or (rows, 1); others as they are.

    Raises:
        InvalidInputError: an unknown or missing column, unequal lengths, values of another type.
    """
    inputs = {spec.name for spec in signature.inputs}
    if all(tensor.name in inputs for tensor in given):
        return given
    columns = {cell.name for cell in columns_of(signature)}
    if not any(tensor.name in columns for tensor in given):
        return given
    arrays = {tensor.name: tensor.to_array() for tensor in given}
    if len(arrays) != len(given):
        raise TensorUnknownError("two inputs have the same name", hint="Send each column once.", field="inputs")
    check_columns(signature, arrays)
    flat = {name: array[:, 0] if array.shape[1:] == (1,) else array for name, array in arrays.items()}
    if any(array.ndim != 1 for array in flat.values()) or len({len(array) for array in flat.values()}) > 1:
        raise TensorShapeError(
            "the columns are not one value a row each, or not equally long",
            hint="Give each the shape [rows] or [rows, 1].",
        )
    return from_arrays(signature, flat)
