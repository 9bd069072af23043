"""JSON bodies: {"instances": [...]}, {"inputs": {...}}, a list of records, one record, or bare nested lists."""

from typing import Any

import msgspec

from modelyard.dataplane.errors import JsonInvalidError
from modelyard.dataplane.tensors import WireTensor
from modelyard.protocols.invocations.tables import from_columns, from_rows
from modelyard.protocols.json_bodies import decode
from modelyard.types.signatures import Signature

_decoder = msgspec.json.Decoder(dict[str, Any] | list[Any])


def parse_json(body: bytes, signature: Signature) -> list[WireTensor]:
    """The tensors of a body.

    Raises:
        InvalidInputError: what is wrong, where, and what to send instead.
    """
    document = decode(_decoder, body)
    if isinstance(document, dict):
        if document.keys() == {"instances"}:
            return from_rows(signature, _rows(document["instances"], "instances", signature))
        if document.keys() == {"inputs"} and isinstance(document["inputs"], dict):
            return from_columns(signature, document["inputs"])
        if document.keys() == {"inputs"} and isinstance(document["inputs"], list):
            return from_rows(signature, _rows(document["inputs"], "inputs", signature))
        if "instances" in document or not document:
            raise JsonInvalidError(
                "the object must hold 'instances' or 'inputs' and nothing else",
                hint='Send {"instances": [row, ...]}, {"inputs": {name: values}}, or a list of rows.',
            )
        return from_rows(signature, [document])
    return from_rows(signature, _rows(document, "", signature))


def _rows(value: Any, field: str, signature: Signature) -> list[Any]:
    if not isinstance(value, list):
        raise JsonInvalidError(f"'{field}' must be a list of rows", hint="Put one row into a list, too.", field=field)
    takes_lists = len(signature.inputs) > 1 or len(signature.inputs[0].shape) > 1
    is_one_row = bool(value) and takes_lists and not isinstance(value[0], list | dict)
    return [value] if is_one_row else value
