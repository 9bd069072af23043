"""What an application is to the program that runs it."""

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.types import ASGIApp

from modelyard.server.duties import Duty


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One of the three REST applications, wired.

    Attributes:
        name: "registry", "jobs" or "operations"; it is served under `/<name>/v1`.
        asgi: the application.
        duties: what it does besides answering.
        mounts: further paths, each with what answers there.
        on_start: called once, after the workflows were launched and before the first request.
    """

    name: str
    asgi: FastAPI
    duties: tuple[Duty, ...] = ()
    mounts: tuple[tuple[str, ASGIApp], ...] = ()
    on_start: Callable[[], None] = lambda: None

    @property
    def path(self) -> str:
        """Where it is mounted."""
        return f"/{self.name}/v1"
