"""Whole lines of a stream's output, forward and backward, by byte offsets. Pure but for the reading."""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from modelyard.facades.aws.logs.streams import ReadOutput


class Line(NamedTuple):
    """A line without its end; `start` and `end` are the offsets of its first byte and of the byte after its end."""

    start: int
    end: int
    text: str


def lines_from(read: ReadOutput, offset: int = 0) -> Iterator[Line]:
    """The lines from a byte on; one that may still grow is left out."""
    rest = ""
    while True:
        chunk, may_grow = read(offset + len(rest.encode()))
        *whole, rest = (rest + chunk.text).split("\n")
        for text in whole:
            end = offset + len(text.encode()) + 1
            yield Line(offset, end, text.removesuffix("\r"))
            offset = end
        if not chunk.text:
            if rest and not may_grow:
                yield Line(offset, offset + len(rest.encode()), rest)
            return


def page_forward(read: ReadOutput, offset: int, limit: int) -> list[Line]:
    """At most `limit` lines from a byte on."""
    return list(islice(lines_from(read, offset), limit))


def page_backward(read: ReadOutput, offset: int | None, limit: int) -> list[Line]:
    """The last `limit` lines that end at or before a byte (None: the end of the output), in their order."""
    kept: list[Line] = []
    for line in lines_from(read):
        if offset is not None and line.end > offset:
            break
        kept.append(line)
        if len(kept) > 2 * limit:
            del kept[:-limit]
    return kept[-limit:]
