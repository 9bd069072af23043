"""How provokers are found, run and turned into examples. A provoker makes the product raise or answer one error."""

import importlib
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
from stage import Stage

from modelyard.control.rest.errors import status_of
from modelyard.errors import ModelyardError

Provoke = Callable[[Stage], httpx.Response | None]
FAMILIES = {
    "already_exists": "A name is taken: `..._exists` codes.",
    "conflict": "The request contradicts what is there.",
    "not_found": "The named thing does not exist: `..._not_found` codes.",
    "temporary": "The same request may succeed later.",
}
"""Codes that no program path raises by itself: they name families, for those who handle errors by type."""
_CLIENTS = ("modelyard.sdk", "modelyard.cli", "modelyard.server", "modelyard.quickstart", "modelyard.testing")


@dataclass(frozen=True)
class Example:
    """A real error. `status` is None for one that no server answers."""

    code: str
    status: int | None
    message: str
    hint: str


def provokes(code: str) -> Callable[[Provoke], Provoke]:
    """Marks a provoker. It returns an HTTP answer, or raises."""

    def mark(provoke: Provoke) -> Provoke:
        provoke.code = code  # type: ignore[attr-defined]
        return provoke

    return mark


def provokers() -> dict[str, Provoke]:
    """Code -> provoker, from every module of this package."""
    found: dict[str, Provoke] = {}
    package = importlib.import_module("provokers")
    for info in pkgutil.iter_modules(package.__path__):
        for code, provoke in _of(importlib.import_module(f"provokers.{info.name}")).items():
            assert code not in found, f"two provokers of {code}"
            found[code] = provoke
    return found


def provoke(code: str, stage: Stage) -> Example:
    """Run the provoker of a code."""
    try:
        answer = provokers()[code](stage)
    except ModelyardError as error:
        is_client = type(error).__module__.startswith(_CLIENTS) or type(error) is ModelyardError
        return Example(error.code, None if is_client else status_of(error), error.message, error.hint)
    assert answer is not None, f"the provoker of {code} raised nothing"
    body: dict[str, Any] = answer.json()
    return Example(body["code"], answer.status_code, body["message"], body["hint"])


def stable(text: str, folder: Path) -> str:
    """The text without what differs from run to run."""
    text = re.sub(rf"{re.escape(str(folder))}(/folder-\d+)?", "/tmp/example", text)
    for pattern, instead in _VARIABLE:
        text = re.sub(pattern, instead, text)
    return text


_VARIABLE = (
    (r"\bdigits-\d+\b", "digits"),
    (r"\b(token|job|tuning|upload|run|inf|req|inspection|report|event|audit)-[0-9a-z]{20,32}\b", r"\1-01k9..."),
    (r"http://127\.0\.0\.1:\d+", "http://127.0.0.1:8470"),
    (r"port \d{4,5}\b", "port 8470"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+(?:\+00:00|Z)", "2026-01-31T12:00:00+00:00"),
    (r"\(process \d+", "(process 4711"),
    (r"kill -9 \d+", "kill -9 4711"),
    (r"\b[0-9a-f]{12}\b", "0123456789ab"),
)


def _of(module: ModuleType) -> dict[str, Provoke]:
    return {
        value.code: value
        for value in vars(module).values()
        if callable(value) and hasattr(value, "code") and not isinstance(value, type)
    }
