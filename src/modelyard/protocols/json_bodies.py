"""JSON bodies: one set of words for everything that can be wrong with them."""

import re
from typing import Any, TypeVar

import msgspec

from modelyard.dataplane.errors import JsonInvalidError

_T = TypeVar("_T")
_PATH = re.compile(r" - at `\$\.?(.*)`$")


def decode(decoder: msgspec.json.Decoder[_T], body: bytes | memoryview) -> _T:
    """What `decoder` makes of `body`.

    Raises:
        JsonInvalidError: no JSON, nested too deep, no UTF-8, or not of the decoder's form; `field` says where.
    """
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _explained(error, body) from None


def decode_lines(decoder: msgspec.json.Decoder[_T], body: bytes | memoryview) -> list[_T]:
    """What `decoder` makes of each line of `body`; empty lines are left out.

    Raises:
        JsonInvalidError: as `decode`.
    """
    try:
        return decoder.decode_lines(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _explained(error, body) from None


def _explained(error: Exception, body: bytes | memoryview) -> JsonInvalidError:
    if isinstance(error, msgspec.ValidationError):
        text = str(error)
        found = _PATH.search(text)
        return JsonInvalidError(
            f"the request is not of the expected form: {_PATH.sub('', text)}",
            hint="Compare it with the example in the reference of the serving API.",
            field=found[1] if found and found[1] else None,
        )
    if isinstance(error, RecursionError):
        return JsonInvalidError("the JSON is nested too deep", hint="Send tensors as flat lists.")
    return JsonInvalidError(f"the body is no JSON: {error}", hint=_hint(body))


def _hint(body: Any) -> str:
    content = bytes(body[: 1 << 20])
    if not content:
        return "Send the request as a JSON body."
    if b"NaN" in content or b"Infinity" in content:
        return "JSON has no NaN or Infinity: use null for a missing value."
    return "Check quotes, commas and brackets."
