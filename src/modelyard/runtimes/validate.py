"""Checks a request's tensors against a signature: the reason a caller gets a sentence and not a stack trace."""

from collections.abc import Mapping
from difflib import get_close_matches

import numpy as np

from modelyard.errors import InvalidInputError
from modelyard.runtimes.base import Tensor
from modelyard.runtimes.tensors import datatype_of
from modelyard.types.signatures import DataType, Signature, TensorSpec


class TensorUnknownError(InvalidInputError):
    """An input that the model does not have."""

    code = "tensor_unknown"


class TensorMissingError(InvalidInputError):
    """An input of the model that did not come."""

    code = "tensor_missing"


class TensorTypeError(InvalidInputError):
    """An input of another element type."""

    code = "tensor_type"


class TensorShapeError(InvalidInputError):
    """An input of another shape, without rows, or with another number of rows than its siblings."""

    code = "tensor_shape"


class TensorValueError(InvalidInputError):
    """NaN, an infinity or an empty string where the model takes none."""

    code = "tensor_value"


def check_inputs(signature: Signature, inputs: Mapping[str, Tensor]) -> None:
    """Return if `inputs` are a batch for this signature: all tensors, right types, shapes and values.

    Raises:
        TensorUnknownError: a name that the signature does not have.
        TensorMissingError: a name of the signature without a tensor.
        TensorTypeError: another element type.
        TensorShapeError: another rank or size, no rows, or unequal numbers of rows.
        TensorValueError: an infinity, or a missing value where `allows_missing` is false.
    """
    if len(inputs) != len(signature.inputs) or any(spec.name not in inputs for spec in signature.inputs):
        _check_names(signature, inputs)
    rows: int | None = None
    for spec in signature.inputs:
        array = inputs[spec.name]
        _check_type(spec, array)
        _check_shape(spec, array)
        _check_values(spec, array)
        if spec.shape and spec.shape[0] == -1:
            if rows is not None and rows != array.shape[0]:
                raise TensorShapeError(
                    f"input '{spec.name}' has {array.shape[0]} rows, the inputs before it have {rows}",
                    hint="Send the same number of rows in every input.",
                    field=f"inputs.{spec.name}",
                )
            rows = array.shape[0]


def describe(spec: TensorSpec) -> str:
    """Type and shape as people read them: FP32 [-1, 64]."""
    return f"{spec.datatype} [{', '.join(str(size) for size in spec.shape)}]"


def _check_names(signature: Signature, inputs: Mapping[str, Tensor]) -> None:
    names = [spec.name for spec in signature.inputs]
    expected = ", ".join(f"'{spec.name}' ({describe(spec)})" for spec in signature.inputs)
    for name in inputs:
        if name not in names:
            close = get_close_matches(name, names, n=1)
            guess = f"Did you mean '{close[0]}'? " if close else ""
            raise TensorUnknownError(
                f"the model has no input '{name[:80]}'",
                hint=f"{guess}The model takes {expected}.",
                field=f"inputs.{name[:80]}",
            )
    missing = next(name for name in names if name not in inputs)
    raise TensorMissingError(
        f"input '{missing}' is missing", hint=f"The model takes {expected}.", field=f"inputs.{missing}"
    )


def _check_type(spec: TensorSpec, array: Tensor) -> None:
    got = datatype_of(array)
    if got is not spec.datatype:
        raise TensorTypeError(
            f"input '{spec.name}' must be {spec.datatype}, got {got}",
            hint=f"Send '{spec.name}' as {describe(spec)}.",
            field=f"inputs.{spec.name}",
        )


def _check_shape(spec: TensorSpec, array: Tensor) -> None:
    shape = array.shape
    fits = len(shape) == len(spec.shape) and all(want in (-1, got) for want, got in zip(spec.shape, shape, strict=True))
    if not fits or 0 in shape:
        what = "holds no element" if fits else f"must have shape {list(spec.shape)}"
        raise TensorShapeError(
            f"input '{spec.name}' {what}, got {list(shape)}",
            hint=_shape_hint(spec, shape),
            field=f"inputs.{spec.name}",
        )


def _shape_hint(spec: TensorSpec, shape: tuple[int, ...]) -> str:
    if shape == spec.shape[1:]:
        return "This looks like one row: put it into a batch of one."
    if spec.columns and len(shape) == len(spec.shape):
        named = ", ".join(spec.columns[:12])
        rest = f" and {len(spec.columns) - 12} more" if len(spec.columns) > 12 else ""  # noqa: PLR2004 - fits one line
        return f"The last dimension holds the columns {named}{rest}."
    return "-1 stands for any size, at least 1; the first dimension is the batch."


def _check_values(spec: TensorSpec, array: Tensor) -> None:
    if array.dtype.kind == "f":
        if np.isfinite(array).all():
            return
        bad = np.isinf(array) if spec.allows_missing else ~np.isfinite(array)
    elif spec.datatype is DataType.BYTES and not spec.allows_missing and spec.columns:
        bad = np.asarray(array == "")
    else:
        return
    if bad.any():
        raise _value_error(spec, array, np.argwhere(bad)[0])


def _value_error(spec: TensorSpec, array: Tensor, position: np.ndarray) -> TensorValueError:
    index = tuple(int(part) for part in position)
    column = f" (column '{spec.columns[index[-1]]}')" if spec.columns and index[-1] < len(spec.columns) else ""
    found = repr(float(array[index])) if array.dtype.kind == "f" else "an empty string"
    return TensorValueError(
        f"input '{spec.name}' has {found} at {list(index)}{column}",
        hint="This model takes no infinite values."
        if spec.allows_missing
        else "This model takes no missing values: fill them in, or train a version on data that has some.",
        field=f"inputs.{spec.name}",
    )
