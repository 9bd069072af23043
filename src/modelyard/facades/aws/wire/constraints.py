"""What a service's model demands of members beyond their types: patterns, lengths, ranges and enumerations.

botocore keeps these out of its own validation, so that old clients take new values; AWS's servers hold requests to
them, in the words used here.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

_OPEN = ("InstanceType",)
"""Ends of the names of enumerations that grow with AWS's catalogue and mean nothing here: any value is taken."""
_SHOWN_CHARACTERS = 200


def violations(members: Mapping[str, Any], shape: Shape | None) -> list[str]:
    """Each constraint that the members of a request do not satisfy; their types are right already."""
    return [] if shape is None else list(_of(members, shape, ""))


def in_words(found: list[str]) -> str:
    """These as one sentence, as AWS's servers say it."""
    noun = "error" if len(found) == 1 else "errors"
    return f"{len(found)} validation {noun} detected: {'; '.join(found)}"


def _of(value: Any, shape: Shape, where: str) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            if isinstance(value, Mapping) and value.get(name) is not None:
                yield from _of(value[name], member, f"{where}.{_lower(name)}" if where else _lower(name))
    elif isinstance(shape, ListShape):
        yield from _size(value, shape, where, "length")
        for number, each in enumerate(value, 1):
            yield from _of(each, shape.member, f"{where}.{number}.member")
    elif isinstance(shape, MapShape):
        yield from _size(value, shape, where, "length")
        for key, each in value.items():
            yield from _of(key, shape.key, f"{where}.key")
            yield from _of(each, shape.value, f"{where}.{key}.member")
    elif isinstance(value, str):
        yield from _text(value, shape, where)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _number(value, shape, where)


def _text(value: str, shape: Shape, where: str) -> Iterator[str]:
    metadata = shape.metadata
    enum = metadata.get("enum")
    if enum and value not in enum and not shape.name.endswith(_OPEN):
        yield _words(value, where, f"Member must satisfy enum value set: [{', '.join(enum)}]")
    if value or "min" in metadata:
        yield from _size(value, shape, where, "length")
    pattern = metadata.get("pattern")
    compiled = _compiled(pattern) if pattern else None
    longest = metadata.get("max")
    if compiled is not None and (longest is None or len(value) <= longest) and not compiled.fullmatch(value):
        yield _words(value, where, f"Member must satisfy regular expression pattern: {pattern}")


def _size(value: Any, shape: Shape, where: str, what: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if most is not None and len(value) > most:
        yield _words(value, where, f"Member must have {what} less than or equal to {most}")
    if least is not None and len(value) < least:
        yield _words(value, where, f"Member must have {what} greater than or equal to {least}")


def _number(value: float, shape: Shape, where: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if most is not None and value > most:
        yield _words(value, where, f"Member must have value less than or equal to {most}")
    if least is not None and value < least:
        yield _words(value, where, f"Member must have value greater than or equal to {least}")


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """As Java, whose patterns these are, understands it; None for the few that Python does not."""
    try:
        return re.compile(pattern, re.ASCII | re.DOTALL)
    except re.error:
        return None


def _words(value: Any, where: str, constraint: str) -> str:
    return f"Value '{str(value)[:_SHOWN_CHARACTERS]}' at '{where}' failed to satisfy constraint: {constraint}"


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]
