"""The header traceparent: what the standard calls valid is read, all else is ignored."""

import pytest

from modelyard.kit.traces import TraceParent, parse_traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("header", "is_sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),  # the second bit is not ours
        (f" 00-{TRACE}-{SPAN}-01\t", True),
        (f"cc-{TRACE}-{SPAN}-01", True),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-brings", True),
        (f"00-{TRACE}-{SPAN}-01".encode(), True),
    ],
)
def test_a_parent_is_read_and_written_again_as_version_00(header, is_sampled):
    assert parse_traceparent(header) == TraceParent(TRACE, SPAN, is_sampled)
    assert parse_traceparent(header).header == f"00-{TRACE}-{SPAN}-0{int(is_sampled)}"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "traceparent",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01-",
        f"cc-{TRACE}-{SPAN}-01more",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00_{TRACE}_{SPAN}_01",
        f"0\u0660-{TRACE}-{SPAN}-01",
        b"00-\xff" + TRACE.encode(),
        f"cc-{TRACE}-{SPAN}-01-{'x' * 600}",
        f"00-{TRACE}-{SPAN}-01\n",
    ],
)
def test_what_is_invalid_is_ignored(header):
    assert parse_traceparent(header) is None
