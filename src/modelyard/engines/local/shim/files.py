"""A supervisor's small files: written whole or not at all. Standard library only."""

import contextlib
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def write_json(name: str, content: Mapping[str, Any], *, is_durable: bool = True) -> None:
    """Write a state file so that it is whole or absent; a deleted folder or a full disk loses it."""
    temporary = f".{name}.new"
    with contextlib.suppress(OSError):
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(content, file)
            if is_durable:
                file.flush()
                os.fsync(file.fileno())
        os.rename(temporary, name)


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
