"""Pages of log events in both directions, and the patterns that choose among them."""

import time

import pytest

from modelyard.facades.aws.logs.lines import lines_from, page_backward, page_forward
from modelyard.facades.aws.logs.patterns import chooser
from modelyard.facades.aws.wire.errors import AwsError
from modelyard.types.processes import LogChunk

TEXT = "".join(f"line {number} é\n" for number in range(40))
CHUNK_BYTES = 64


def read(text: str, *, may_grow: bool = False):
    """Output that comes in chunks of whole characters, as an engine gives it."""

    def of(offset: int) -> tuple[LogChunk, bool]:
        piece = text.encode()[offset : offset + CHUNK_BYTES].decode(errors="ignore")
        return LogChunk(text=piece, next_offset=offset + len(piece.encode())), may_grow

    return of


def test_pages_forward_and_backward_give_the_same_lines():
    source, wanted = read(TEXT), TEXT.splitlines()
    forward, offset = [], 0
    while page := page_forward(source, offset, 7):
        forward += [line.text for line in page]
        offset = page[-1].end
    assert forward == wanted
    backward, before = [], None
    while page := page_backward(source, before, 7):
        backward = [line.text for line in page] + backward
        before = page[0].start
    assert backward == wanted
    assert offset == len(TEXT.encode())


def test_a_line_without_an_end_is_an_event_only_once_it_cannot_grow():
    assert [line.text for line in lines_from(read("a\r\nb"))] == ["a", "b"]
    assert [line.text for line in lines_from(read("a\nb", may_grow=True))] == ["a"]
    assert page_backward(read(""), None, 5) == []


@pytest.mark.parametrize(("begin", "dropped"), [(b"\xff\xfe", 0), (b"", 120)], ids=["no text", "dropped beginning"])
def test_a_chunk_that_is_not_as_long_as_its_text_repeats_and_loses_no_line(begin: bytes, dropped: int):
    content = b"".join(begin + b" line %d\n" % number for number in range(40))

    def source(offset: int) -> tuple[LogChunk, bool]:
        start = max(offset, dropped)
        piece = content[start : start + CHUNK_BYTES]
        return LogChunk(text=piece.decode(errors="replace"), next_offset=start + len(piece)), False

    wanted = [line.decode(errors="replace") for line in content[dropped:].splitlines()]
    assert [line.text for line in lines_from(source)] == wanted
    paged, offset = [], 0
    while page := page_forward(source, offset, 3):
        paged += [line.text for line in page]
        offset = page[-1].end
    assert (paged, offset) == (wanted, len(content))


@pytest.mark.parametrize(
    ("pattern", "chosen"),
    [
        ("", ["loss=0.5", "an ERROR came", "an ERROR came, then a WARN"]),
        ("ERROR", ["an ERROR came", "an ERROR came, then a WARN"]),
        ("error", []),
        ("ERROR WARN", ["an ERROR came, then a WARN"]),
        ("ERROR -WARN", ["an ERROR came"]),
        ("?loss ?WARN", ["loss=0.5", "an ERROR came, then a WARN"]),
        ('"came, then"', ["an ERROR came, then a WARN"]),
        (r"%loss=\d%", ["loss=0.5"]),
    ],
)
def test_a_pattern_chooses_by_its_terms(pattern: str, chosen: list[str]):
    messages = ("loss=0.5", "an ERROR came", "an ERROR came, then a WARN")
    assert list(filter(chooser(pattern), messages)) == chosen


def test_no_expression_takes_long():
    message = "a" * 40 + "b"
    began = time.monotonic()
    assert not chooser("%(a+)+$%")(message)
    assert time.monotonic() - began < 10  # by backtracking it would be hours


@pytest.mark.parametrize("pattern", ["{ $.level = 1 }", "[ip, status]", "%(%", '"open'])
def test_a_pattern_of_another_kind_is_refused(pattern: str):
    with pytest.raises(AwsError, match="Invalid filter pattern") as refused:
        chooser(pattern)
    assert refused.value.code == "InvalidParameterException"
