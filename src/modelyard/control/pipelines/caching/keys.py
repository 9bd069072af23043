"""What a step's result follows from, by parts, and the one digest of it all."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from modelyard.types.pipelines.definitions import InputSpec, KindDescription
from modelyard.types.pipelines.runs import Ingredient

STEP_KIND, PLATFORM = "step kind", "Modelyard"
_SHOWN_CHARACTERS = 120


def ingredients_of(
    kind: KindDescription, inputs: Mapping[str, Any], digests: Mapping[str, str], platform: str
) -> dict[str, Ingredient]:
    """By name: the kind, the release, and each input; an entry of a mapping is a part of its own.

    Args:
        kind: of the step.
        inputs: resolved, references to versions with their numbers.
        digests: of the content behind such references, by input or entry ("data", "channels.train").
        platform: release of Modelyard, whose algorithms may change.
    """
    found = {
        STEP_KIND: _ingredient(f"{kind.name} (revision {kind.revision})", ""),
        PLATFORM: _ingredient(platform, ""),
    }
    for spec in kind.inputs:
        if spec.is_content and inputs.get(spec.name) is not None:
            for place, name, value in _parts(spec, inputs[spec.name]):
                found[name] = _ingredient(value, digests.get(place, ""))
    return found


def content_key(ingredients: Mapping[str, Ingredient]) -> str:
    """SHA-256 over all parts, whatever their order."""
    told = sorted((name, each.digest) for name, each in ingredients.items())
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()


def _parts(spec: InputSpec, value: Any) -> Iterator[tuple[str, str, Any]]:
    """Where each part stands, what it is called, and its value."""
    if not isinstance(value, Mapping):
        yield spec.name, f"input '{spec.name}'", value
        return
    for name, each in value.items():
        yield f"{spec.name}.{name}", f"{spec.item or spec.name} {name}", each


def _ingredient(value: Any, digest: str) -> Ingredient:
    encoded = msgspec.json.encode(value, order="deterministic")
    text = value if isinstance(value, str) else encoded.decode()
    shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
    return Ingredient(shown=shown, digest=digest or hashlib.sha256(encoded).hexdigest())
