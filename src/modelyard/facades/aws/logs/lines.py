"""Whole lines of a stream's output, forward and backward, by byte offsets. Pure but for the reading."""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from modelyard.facades.aws.logs.streams import ReadOutput

_REPLACED = "\ufffd"
"""What stands for bytes that are no UTF-8, nearly always for one: as text it is longer."""


class Line(NamedTuple):
    """A line without its end; `start` and `end` are the offsets of its first byte and of the byte after its end."""

    start: int
    end: int
    text: str


def lines_from(read: ReadOutput, offset: int = 0) -> Iterator[Line]:
    """The lines from a byte on; one that may still grow is left out.

    A chunk need not be as long as its text: bytes that are no UTF-8 are replaced in it, and of output whose beginning
    was dropped it begins later than asked. So reading goes on where the chunk says that it ends.
    """
    rest, start = "", offset
    while True:
        chunk, may_grow = read(offset)
        if not chunk.text:
            if rest and not may_grow:
                yield Line(start, offset, rest)
            return
        *whole, last = chunk.text.split("\n")
        size = len(chunk.text.encode())
        position = max(offset, chunk.next_offset - size)
        too_much = (size - (chunk.next_offset - position)) / max(1, chunk.text.count(_REPLACED))
        for text in whole:
            position += len(text.encode()) + 1 - round(too_much * text.count(_REPLACED))
            end = min(position, chunk.next_offset)
            yield Line(start, end, (rest + text).removesuffix("\r"))
            rest, start = "", end
        rest += last
        offset = chunk.next_offset


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
