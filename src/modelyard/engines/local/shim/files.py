"""A supervisor's small files: written whole or not at all. Standard library only."""

import contextlib
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_RESERVED_BYTES = 32 << 10  # the end's account has 4 KiB of output in it, of which a byte may become six


def reserve(name: str) -> None:
    """Take the room for a later `write_json` now, so that also a disk that is full by then takes it."""
    with contextlib.suppress(OSError), open(_temporary(name), "w", encoding="ascii") as file:
        file.write(" " * _RESERVED_BYTES)


def write_json(name: str, content: Mapping[str, Any], *, is_durable: bool = True) -> None:
    """Write a state file so that it is whole or absent; a deleted folder or a full disk loses it, if not reserved."""
    with contextlib.suppress(OSError):
        with os.fdopen(os.open(_temporary(name), os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(json.dumps(content).encode())  # over what was reserved
            file.truncate()
            if is_durable:
                file.flush()
                os.fsync(file.fileno())
        os.rename(_temporary(name), name)


def _temporary(name: str) -> str:
    return f".{name}.new"


def read_json(name: str) -> dict[str, Any] | None:
    """Content of a state file, or None while there is none."""
    try:
        with open(name, encoding="utf-8") as file:
            content: dict[str, Any] = json.load(file)
    except OSError:
        return None
    return content


def drain(descriptor: int) -> None:
    """Empty a pipe or FIFO that never blocks."""
    with contextlib.suppress(BlockingIOError):
        while os.read(descriptor, 512):
            continue


def timestamp() -> str:
    """The time, as JSON holds it."""
    return datetime.now(UTC).isoformat()
