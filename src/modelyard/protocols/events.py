"""Server-sent events.

Source: WHATWG, HTML Living Standard, "Server-sent events".
"""


def event(data: bytes) -> bytes:
    """An event that carries `data`, which has no line end in it (JSON has none)."""
    return b"data: %b\n\n" % data


def error_event(data: bytes) -> bytes:
    """The event that takes the place of what else was to come."""
    return b"event: error\ndata: %b\n\n" % data
