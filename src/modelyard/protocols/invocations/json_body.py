"""JSON bodies, in the forms that other servers' clients send.

{"instances": [row, ...]}              TensorFlow Serving, SageMaker, MLflow; a row may be {"features": [...]}
{"inputs": {name: values}} or [...]    TensorFlow Serving, MLflow
{"dataframe_split": {...}}, {"dataframe_records": [...]}    MLflow
[row, ...], a row alone, and one row per line (JSON Lines)
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from modelyard.dataplane.errors import JsonInvalidError
from modelyard.dataplane.tensors import WireTensor
from modelyard.protocols.invocations.tables import from_columns, from_rows
from modelyard.protocols.json_bodies import decode, decode_lines
from modelyard.types.signatures import Signature

_decoder = msgspec.json.Decoder(dict[str, Any] | list[Any])
_line_decoder = msgspec.json.Decoder(Any)
_FEATURES = "features"


def parse_json(body: bytes, signature: Signature) -> list[WireTensor]:
    """The tensors of a body.

    Raises:
        InvalidInputError: what is wrong, where, and what to send instead.
    """
    document = decode(_decoder, body)
    if isinstance(document, list):
        return _from_rows(signature, as_rows(document, "", signature))
    form = next((key for key in _FORMS if key in document), None)
    if form is None or _has_name(signature, form):
        if not document:
            raise _wrong_form()
        return _from_rows(signature, [document])
    extra = document.keys() - {form}
    if extra - {"params"} or document.get("params"):
        raise _wrong_form()
    return _FORMS[form](signature, document[form])


def parse_lines(body: bytes, signature: Signature) -> list[WireTensor]:
    """The tensors of JSON Lines: a row on each line.

    Raises:
        InvalidInputError: as `parse_json`.
    """
    rows = decode_lines(_line_decoder, body)
    if not all(isinstance(row, dict | list) for row in rows) and _takes_lists(signature):
        raise JsonInvalidError("a line holds neither a list nor an object", hint="Send one row on each line.")
    return _from_rows(signature, rows)


def as_rows(value: Any, field: str, signature: Signature) -> list[Any]:
    """A list of rows; one row alone is put into a list.

    Raises:
        JsonInvalidError: no list.
    """
    if not isinstance(value, list):
        raise JsonInvalidError(f"'{field}' must be a list of rows", hint="Put one row into a list, too.", field=field)
    is_one_row = bool(value) and _takes_lists(signature) and not isinstance(value[0], list | dict)
    return [value] if is_one_row else value


def from_instances(signature: Signature, value: Any) -> list[WireTensor]:
    """The tensors of "instances": rows.

    Raises:
        InvalidInputError: as `parse_json`.
    """
    return _from_rows(signature, as_rows(value, "instances", signature))


def from_inputs(signature: Signature, value: Any) -> list[WireTensor]:
    """The tensors of "inputs": tensors or columns by name, or the only tensor.

    Raises:
        InvalidInputError: as `parse_json`.
    """
    if isinstance(value, dict):
        return from_columns(signature, value)
    return _from_rows(signature, as_rows(value, "inputs", signature))


def _records(signature: Signature, value: Any) -> list[WireTensor]:
    return _from_rows(signature, as_rows(value, "dataframe_records", signature))


def _split(signature: Signature, value: Any) -> list[WireTensor]:
    field = "dataframe_split"
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise JsonInvalidError(
            f"'{field}' must be an object with 'data', a list of rows",
            hint='Send what pandas\' DataFrame.to_dict(orient="split") gives.',
            field=field,
        )
    rows, columns = value["data"], value.get("columns")
    if not isinstance(columns, list) or not columns or not all(isinstance(name, str) for name in columns):
        return _from_rows(signature, rows)  # a frame without names: the model's own order
    if len(set(columns)) != len(columns):
        raise JsonInvalidError(
            "two columns have the same name", hint="Name each column once.", field=f"{field}.columns"
        )
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(columns):
            raise JsonInvalidError(
                f"row {number} of the frame is no list of {len(columns)} values",
                hint="Give each row one value for each column.",
                field=f"{field}.data[{number}]",
            )
    return from_rows(signature, [dict(zip(columns, row, strict=True)) for row in rows])


_FORMS: Mapping[str, Callable[[Signature, Any], list[WireTensor]]] = {
    "instances": from_instances,
    "inputs": from_inputs,
    "dataframe_split": _split,
    "dataframe_records": _records,
}


def _from_rows(signature: Signature, rows: list[Any]) -> list[WireTensor]:
    """Rows, those of SageMaker's form unwrapped."""
    if rows and isinstance(rows[0], dict) and len(rows[0]) == 1 and not _has_name(signature, *rows[0]):
        return from_rows(signature, [_features(row) for row in rows])
    return from_rows(signature, rows)


def _features(row: Any) -> Any:
    """The values in {"features": [...]} and {"data": {"features": {"values": [...]}}}; anything else as it is."""
    if not isinstance(row, dict) or len(row) != 1:
        return row
    if _FEATURES in row:
        return row[_FEATURES]
    features = row["data"].get(_FEATURES) if isinstance(row.get("data"), dict) else None
    return features.get("values", row) if isinstance(features, dict) else row


def _has_name(signature: Signature, name: str) -> bool:
    """True if an input or a column of the model is called like this: the model's words come before the forms'."""
    return any(name == spec.name or name in spec.columns for spec in signature.inputs)


def _takes_lists(signature: Signature) -> bool:
    return len(signature.inputs) > 1 or len(signature.inputs[0].shape) > 1


def _wrong_form() -> JsonInvalidError:
    return JsonInvalidError(
        "the object must hold 'instances' or 'inputs' and nothing else",
        hint='Send {"instances": [row, ...]}, {"inputs": {name: values}}, or a list of rows.',
    )
