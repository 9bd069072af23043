"""Which formats there are, by their names, and which one an Accept header asks for.

Source: RFC 9110 section 12.5.1 (Accept: the most specific range decides about a type, then the quality).
"""

from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from modelyard.dataplane.errors import NotAcceptableError


class Format(StrEnum):
    """How bodies are written, under the name that answers carry unless another alias was asked for."""

    JSON = "application/json"
    CSV = "text/csv"
    JSON_LINES = "application/jsonlines"
    NPY = "application/x-npy"
    PARQUET = "application/x-parquet"
    IMAGE = "application/x-image"
    LIBSVM = "text/libsvm"
    RECORDS = "application/x-recordio-protobuf"


ALIASES = {
    **{each.value: each for each in Format},
    "": Format.JSON,
    "application/x-json": Format.JSON,
    "application/csv": Format.CSV,
    "application/x-jsonlines": Format.JSON_LINES,
    "application/jsonl": Format.JSON_LINES,
    "application/x-ndjson": Format.JSON_LINES,
    "application/ndjson": Format.JSON_LINES,
    "application/vnd.apache.parquet": Format.PARQUET,
    "text/x-libsvm": Format.LIBSVM,
    **{f"image/{name}": Format.IMAGE for name in ("png", "jpeg", "jpg", "bmp", "gif", "webp", "tiff")},
}
_ANSWERS = (Format.JSON, Format.CSV, Format.JSON_LINES, Format.NPY, Format.RECORDS)
_MAX_RANGES = 32


class Wanted(NamedTuple):
    """How an answer is to be written."""

    format: Format
    media_type: str
    has_header: bool = False


class _Range(NamedTuple):
    name: str
    quality: float
    position: int
    parameters: tuple[str, ...]


class _Choice(NamedTuple):
    """Sorts the best first."""

    lack_of_quality: float
    lack_of_precision: int
    position: int
    preference: int
    wanted: Wanted


_DEFAULT = Wanted(Format.JSON, Format.JSON.value)


def format_of(content_type: str) -> tuple[Format | None, str]:
    """The format that a Content-Type names, and the parameters behind it, in lower case."""
    media_type, _, parameters = content_type.lower().partition(";")
    media_type = media_type.strip()
    if media_type not in ALIASES and media_type.endswith("+json"):
        return Format.JSON, parameters
    return ALIASES.get(media_type), parameters


@lru_cache(maxsize=256)
def wanted(accept: bytes | None) -> Wanted:
    """The format that an Accept header prefers; JSON where it leaves the choice.

    Raises:
        NotAcceptableError: it names nothing that this path can answer with.
    """
    if accept is None or not accept.strip():
        return _DEFAULT
    ranges = [_range(position, part) for position, part in enumerate(accept.decode("latin-1").lower().split(","))]
    choices = [
        choice
        for preference, media in enumerate(_ANSWERS)
        if (choice := _choice(media, preference, ranges[:_MAX_RANGES])) is not None
    ]
    if not choices:
        raise NotAcceptableError(
            f"this path cannot answer with '{accept.decode('latin-1')[:80]}'",
            hint=f"Accept {', '.join(_ANSWERS)}.",
        )
    return min(choices).wanted


def _choice(format: Format, preference: int, ranges: Sequence[_Range]) -> _Choice | None:
    """How much a format is wanted; None: not at all."""
    matching = [(_precision(format, each.name), each) for each in ranges]
    precise = max((precision for precision, _ in matching), default=0)
    if not precise:
        return None
    best = next(each for precision, each in matching if precision == precise)
    if best.quality <= 0:
        return None
    media_type = best.name if best.name in ALIASES else format.value
    wanted = Wanted(format, media_type, "header=present" in best.parameters)
    return _Choice(-best.quality, -precise, best.position, preference, wanted)


def _precision(format: Format, name: str) -> int:
    """0: the range does not hold the format; 1: */*; 2: application/*; 3: by its name."""
    if ALIASES.get(name) is format and name:
        return 3
    if name == f"{format.value.partition('/')[0]}/*":
        return 2
    return int(name == "*/*")


def _range(position: int, part: str) -> _Range:
    name, *parameters = (piece.strip() for piece in part.split(";"))
    quality = 1.0
    for parameter in parameters:
        if parameter.startswith("q="):
            quality = _number(parameter[2:])
    return _Range(name, quality, position, tuple(parameters))


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0.0 <= value <= 1.0 else 0.0
