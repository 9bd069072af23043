"""From what people have (arrays, rows, CSV) to the tensors that an endpoint takes. Works without NumPy."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from modelyard.kit.cells import MISSING, as_number
from modelyard.sdk.cells import DataInvalidError, read_rows

_NUMPY_NAMES = {
    "BOOL": "bool",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    **{f"{kind}{bits}": f"{kind.lower()}{bits}" for kind in ("INT", "UINT") for bits in (8, 16, 32, 64)},
}


class TensorDescription(msgspec.Struct, frozen=True):
    """An input or output, as the endpoint describes it."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    parameters: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the last dimension's entries, if they have any."""
        return tuple(self.parameters.get("columns", ()))


class EndpointDescription(msgspec.Struct, frozen=True):
    """What `GET /v2/models/{endpoint}` answers."""

    name: str
    inputs: tuple[TensorDescription, ...]
    outputs: tuple[TensorDescription, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of all inputs."""
        return tuple(column for spec in self.inputs for column in spec.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputTensor:
    """One input as it is sent: `data` in JSON, or `binary` (row-major, little-endian)."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: list[Any] | None = None
    binary: bytes | None = None
    parameters: Mapping[str, int] = field(default_factory=dict)


def to_inputs(description: EndpointDescription, data: Any) -> list[InputTensor]:
    """Tensors for `data`.

    Args:
        description: what the endpoint takes.
        data: an array or nested lists (endpoints with one input), a mapping of input names to those, a mapping or a
            list of mappings of column names to values, a mapping of column names to equally long lists of values, CSV
            text with a header, or the path of a CSV file.

    Raises:
        DataInvalidError: a column or input is missing, a value is no number, or rows or columns differ in length.
    """
    if isinstance(data, str | Path):
        return _from_rows(description, read_rows(_text(data), description.columns))
    if isinstance(data, Mapping):
        names = {spec.name for spec in description.inputs}
        if names <= set(data):
            return [_from_array(spec, data[spec.name]) for spec in description.inputs]
        return _from_rows(description, _rows_of(data))
    if not hasattr(data, "dtype") and isinstance(data, Sequence) and data and isinstance(data[0], Mapping):
        return _from_rows(description, data)
    if len(description.inputs) != 1:
        wanted = ", ".join(f"'{spec.name}' {list(spec.shape)}" for spec in description.inputs)
        raise DataInvalidError(
            f"endpoint '{description.name}' takes {len(description.inputs)} inputs, one array came",
            hint=f"Send a dict of arrays: {wanted}; or a list of dicts of columns.",
        )
    return [_from_array(description.inputs[0], data)]


def _from_array(spec: TensorDescription, data: Any) -> InputTensor:
    """One tensor; a single row without its batch dimension gets one."""
    dtype = _NUMPY_NAMES.get(spec.datatype)
    if hasattr(data, "astype") and hasattr(data, "tobytes") and dtype:
        shape = tuple(int(size) for size in data.shape)
        # Little-endian on the wire; every platform that Modelyard runs on is, but an array may have come from another.
        binary = data.astype(dtype, order="C", copy=False).astype(f"<{_code(dtype)}", copy=False).tobytes()
        if len(shape) == len(spec.shape) - 1:
            shape = (1, *shape)
        return InputTensor(
            name=spec.name,
            datatype=spec.datatype,
            shape=shape,
            binary=binary,
            parameters={"binary_data_size": len(binary)},
        )
    values = data.tolist() if hasattr(data, "tolist") else data
    flat: list[Any] = []
    sizes = _flatten(values, flat, spec.name)
    if len(sizes) == len(spec.shape) - 1:
        sizes = (1, *sizes)
    return InputTensor(name=spec.name, datatype=spec.datatype, shape=sizes, data=[_json(value) for value in flat])


def _rows_of(columns: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """One row of values, or the rows that equally long lists of values make."""
    plain = {name: value.tolist() if hasattr(value, "tolist") else value for name, value in columns.items()}
    lengths = {name: len(value) if isinstance(value, list | tuple) else None for name, value in plain.items()}
    if set(lengths.values()) == {None}:
        return [plain]
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"'{name}' {'one value' if n is None else n}" for name, n in list(lengths.items())[:20])
        raise DataInvalidError(
            f"the columns are not equally long: {shown}",
            hint="Send lists of one length, one value for each column (a single row), or a list of rows.",
        )
    return [dict(zip(plain, row, strict=True)) for row in zip(*plain.values(), strict=True)]


def _from_rows(description: EndpointDescription, rows: Sequence[Mapping[str, Any]]) -> list[InputTensor]:
    """Tensors whose columns are picked by name; further entries of a row (an id, the truth) are left out."""
    tensors = []
    for spec in description.inputs:
        if not spec.columns:
            raise DataInvalidError(
                f"input '{spec.name}' of endpoint '{description.name}' has no named columns",
                hint=f"Send an array of shape {list(spec.shape)}.",
            )
        for number, row in enumerate(rows):
            _check_columns(description, row, number)
        data = [_cell(spec, row, column, number) for number, row in enumerate(rows) for column in spec.columns]
        shape = (len(rows), len(spec.columns))
        tensors.append(InputTensor(name=spec.name, datatype=spec.datatype, shape=shape, data=data))
    return tensors


def _check_columns(description: EndpointDescription, row: Mapping[str, Any], number: int) -> None:
    """Every column must be named: a misspelt one would count as missing and spoil the answer unseen."""
    for column in description.columns:
        if column not in row:
            close = get_close_matches(column, [str(name) for name in row], n=1)
            guess = f"'{close[0]}' is close. " if close else ""
            shown = ", ".join(description.columns[:20])
            hint = f"{guess}The endpoint takes {shown}. Leave a cell empty (None, null) if its value is missing."
            raise DataInvalidError(f"row {number} has no column '{column}'", hint=hint, field=column)


def _cell(spec: TensorDescription, row: Mapping[str, Any], column: str, number: int) -> Any:
    value = _json(row[column])
    if spec.datatype == "BYTES":
        return "" if value is None else str(value)
    if not isinstance(value, str):
        return value
    text = value.strip()
    try:
        return None if text in MISSING else as_number(text)
    except ValueError:
        raise DataInvalidError(
            f"row {number}, column '{column}': '{value[:40]}' is no number",
            hint="Send a number, or leave the cell empty (None in Python, null in JSON) if the value is missing.",
            field=column,
        ) from None


def _text(data: str | Path) -> str:
    """CSV text, or that of the file which `data` names."""
    if not isinstance(data, Path) and ("\n" in data or not data.endswith(".csv")):
        return data
    try:
        return Path(data).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataInvalidError(f"{data} cannot be read: {error}", hint="Check the path.") from error


def _flatten(values: Any, flat: list[Any], name: str) -> tuple[int, ...]:
    """Append the scalars to `flat`, row-major; the sizes of the nesting."""
    if not isinstance(values, list | tuple):
        flat.append(values)
        return ()
    inner = [_flatten(value, flat, name) for value in values]
    if any(sizes != inner[0] for sizes in inner):
        raise DataInvalidError(f"the rows of '{name}' differ in length", hint="Send rows of equal length.")
    return (len(values), *(inner[0] if inner else ()))


def _json(value: Any) -> Any:
    """A value that JSON has: NaN is null, NumPy scalars are numbers."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and value != value:  # noqa: PLR0124 - NaN differs from itself
        return None
    return value


def _code(dtype: str) -> str:
    """float32 -> f4."""
    if dtype == "bool":
        return "b1"
    kind = dtype.rstrip("0123456789")
    return f"{'u' if kind == 'uint' else kind[0]}{int(dtype[len(kind) :]) // 8}"


def infer_body(inputs: Iterable[InputTensor]) -> tuple[bytes, dict[str, str]]:
    """The body of an Open Inference Protocol request, and its headers; binary tensors follow the JSON.

    Source: Open Inference Protocol v2, binary tensor data extension.
    """
    messages, chunks = [], []
    for tensor in inputs:
        message: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}
        if tensor.binary is None:
            message["data"] = tensor.data
        else:
            message["parameters"] = dict(tensor.parameters)
            chunks.append(tensor.binary)
        messages.append(message)
    head = msgspec.json.encode({"inputs": messages})
    if not chunks:
        return head, {"Content-Type": "application/json"}
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(head))}
    return b"".join((head, *chunks)), headers
