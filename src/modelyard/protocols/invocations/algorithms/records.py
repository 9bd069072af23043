"""Requests of SageMaker's algorithms on texts and series: instances with a configuration, or one on each line."""

from typing import Any, NamedTuple

import msgspec

from modelyard.dataplane.errors import JsonInvalidError
from modelyard.dataplane.gateway.dialect import Headers
from modelyard.protocols.invocations.media_types import Format, format_of
from modelyard.protocols.json_bodies import decode, decode_lines

_decoder = msgspec.json.Decoder(Any)


class Records(NamedTuple):
    """The instances of a request; `has_lines`: it came, and is answered, as JSON Lines."""

    instances: list[Any]
    configuration: dict[str, Any]
    has_lines: bool


def read_records(body: bytes, headers: Headers) -> Records | None:
    """What a body holds; None if it is of another form, as other callers of the model write it.

    Raises:
        JsonInvalidError: it is no JSON, or its parts are of other kinds.
    """
    media, _ = format_of(headers.get(b"content-type", b"").decode("latin-1"))
    if media is Format.JSON_LINES:
        return Records(decode_lines(_decoder, body), {}, has_lines=True)
    if media is not Format.JSON:
        return None
    document = decode(_decoder, body)
    if not isinstance(document, dict) or not document.keys() <= {"instances", "configuration"}:
        return None
    instances, configuration = document.get("instances"), document.get("configuration", {})
    if not isinstance(instances, list) or not instances or not isinstance(configuration, dict):
        raise JsonInvalidError(
            "'instances' must be a list that is not empty, and 'configuration' an object",
            hint='Send {"instances": [...], "configuration": {...}}.',
            field="instances",
        )
    return Records(instances, configuration, has_lines=False)
