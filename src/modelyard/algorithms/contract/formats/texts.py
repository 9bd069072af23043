"""Texts of BlazingText: labelled sentences in fastText's format or as JSON Lines, and plain text.

Source: docs.aws.amazon.com/sagemaker/latest/dg/blazingtext.html, "Input/Output Interface".
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modelyard.algorithms.errors import ChannelInvalidError

LABEL = "__label__"


@dataclass(frozen=True, slots=True)
class Labelled:
    """A sentence, cut at white space, and what it is."""

    words: tuple[str, ...]
    label: str


def read_labelled(data: Path, channel: str) -> list[Labelled]:
    """The sentences of a channel; one with several labels is there for each.

    Raises:
        ChannelInvalidError: there are none, or a line is not of one of the formats.
    """
    manifest = data / f"{channel}-manifest"
    found = [each for number, line in _lines(data, channel, manifest) for each in _sentences(line, number)]
    if not found:
        raise ChannelInvalidError(f"The channel '{channel}' has no sentences", hint="Give some.", field="channels")
    return found


def read_sentences(data: Path, channel: str) -> list[list[str]]:
    """The lines of a channel, cut at white space.

    Raises:
        ChannelInvalidError: there are none.
    """
    found = [words for _, line in _lines(data, channel, None) if (words := line.split())]
    if not found:
        raise ChannelInvalidError(f"The channel '{channel}' has no text", hint="Give some.", field="channels")
    return found


def _lines(data: Path, channel: str, manifest: Path | None) -> Iterator[tuple[str, str]]:
    """Where a line is, and the line."""
    folder = data / channel
    if manifest is not None and manifest.is_file():
        files = [manifest]
    else:
        files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    for path in files:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ChannelInvalidError(
                f"'{path.name}' is no text in UTF-8", hint="Convert it.", field="channels"
            ) from error
        yield from ((f"{path.name}, line {number}", line) for number, line in enumerate(text.split("\n"), 1))


def _sentences(line: str, where: str) -> Iterator[Labelled]:
    if line.lstrip().startswith("{"):
        labels, words = _record(line, where)
    else:
        found = line.split()
        labels = [word for word in found if word.startswith(LABEL)]
        words = [word for word in found if not word.startswith(LABEL)]
        if found and not labels:
            raise _unlabelled(where)
    yield from (Labelled(tuple(words), label) for label in labels)


def _record(line: str, where: str) -> tuple[list[str], list[str]]:
    """{"source": "a sentence", "label": 1}; the label may be a list."""
    try:
        record = json.loads(line)
        given = record["label"]
        labels = given if isinstance(given, list) else [given]
        return [f"{LABEL}{label}" for label in labels], record["source"].split()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unlabelled(where) from error


def _unlabelled(where: str) -> ChannelInvalidError:
    return ChannelInvalidError(
        f"{where} has no label",
        hint='Write __label__NAME in front of each sentence, or lines like {"source": "...", "label": 1}.',
        field="channels",
    )
