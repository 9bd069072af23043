"""The bodies of requests, and the parameters that no model here can follow."""

from typing import Any

import msgspec

from modelyard.dataplane.errors import JsonInvalidError, ModelNotSuitableError
from modelyard.protocols.json_bodies import decode

_WITHOUT_EFFECT = frozenset(
    (
        "metadata",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "stream_options",
        "user",
    )
)
"""Parameters about accounting and storage: the answer is the same without them."""
_ASKED_FOR_NOTHING: tuple[Any, ...] = (None, False, [], {})

_decoder = msgspec.json.Decoder(dict[str, Any])


def fields_of(body: bytes) -> dict[str, Any]:
    """The object that a body holds.

    Raises:
        JsonInvalidError: none.
    """
    return decode(_decoder, body)


def model_of(fields: dict[str, Any]) -> str:
    """The endpoint that a request names.

    Raises:
        JsonInvalidError: it names none.
    """
    model = fields.get("model")
    if not isinstance(model, str) or not model:
        raise JsonInvalidError("'model' is missing", hint="Name an endpoint: GET /v1/models lists them.", field="model")
    return model


def check_parameters(fields: dict[str, Any], *understood: str) -> None:
    """Refuse what would change the answer and cannot be followed, rather than to answer something else.

    Raises:
        ModelNotSuitableError: such a parameter.
    """
    for name, value in fields.items():
        if name in understood or name == "model" or name in _WITHOUT_EFFECT:
            continue
        is_default = value in _ASKED_FOR_NOTHING or (name == "n" and value == 1 and not isinstance(value, bool))
        if not is_default:
            raise ModelNotSuitableError(
                f"the model of this endpoint takes no '{name[:80]}'",
                hint="Leave the parameter out: the model has one input, the text.",
                field=name[:80],
            )


def texts_of(fields: dict[str, Any], name: str) -> list[str]:
    """One text or a list of texts.

    Raises:
        JsonInvalidError: something else; numbers would be tokens of another model's vocabulary.
    """
    value = fields.get(name)
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise JsonInvalidError(
            f"'{name}' must be a text or a list of texts", hint="Send text; tokens are not taken.", field=name
        )
    return texts
