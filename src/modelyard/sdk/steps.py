"""What a call is made of: steps that a driver performs, in a thread (`Client`) or on an event loop (`AsyncClient`).

A call is written once, as a generator (a `Flow`) that yields steps and gets back what came of them. It does no input or
output of its own, so the same description serves both clients.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

Progress = Callable[[int, int], None]
"""Called with the bytes that are done and the bytes in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Send this; answers a `Response`, whatever its status."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    timeout_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class Pause:
    """Let time pass; answers None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Work:
    """Run a function that blocks (reads a file, say) where it disturbs nobody; answers its result."""

    function: Callable[[], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """Send a GET and write the body to `target`, which is whole or absent; answers a `Response` without content."""

    path: str
    target: Path
    progress: Progress | None = None


Step = Request | Pause | Work | Download

T = TypeVar("T")
Flow = Generator[Step, Any, T]
"""A call under way: yields steps, ends with a T."""
