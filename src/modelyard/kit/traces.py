"""The trace that a caller is in, as the header `traceparent` says it.

Source: W3C Trace Context, sections 3.2 "Traceparent Header" and 4 "Processing Model".
"""

import re
from dataclasses import dataclass

HEADER = b"traceparent"

_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_LONGEST = 512
_UNKNOWN_VERSION = "ff"
_SAMPLED = 0x01


@dataclass(frozen=True, slots=True)
class TraceParent:
    """A span of the caller, whose child the answer is. Both ids are lower-case hexadecimal digits, never all zero."""

    trace_id: str
    span_id: str
    is_sampled: bool

    @property
    def header(self) -> str:
        """As version 00 of the standard writes it."""
        return f"00-{self.trace_id}-{self.span_id}-{int(self.is_sampled):02x}"


def parse_traceparent(value: bytes | str) -> TraceParent | None:
    """The parent that a header names; None for one that is invalid, which the standard says to ignore.

    Of a later version than 00 only what version 00 knows is read.
    """
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else value
    match = _FORM.fullmatch(text.strip(" \t")) if len(text) <= _LONGEST else None
    if match is None or match[1] == _UNKNOWN_VERSION or (match[1] == "00" and match[5]):
        return None
    if not match[2].strip("0") or not match[3].strip("0"):
        return None
    return TraceParent(match[2], match[3], bool(int(match[4], 16) & _SAMPLED))
