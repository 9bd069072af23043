"""What experiments ask of the program that they run in."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from modelyard.types.experiments.tracking import TrackingServerState


class TrackingServer(Protocol):
    """MLflow's server, started when it is asked for. Safe from any thread; no method blocks.

    Implementation: server.tracking.supervision.
    """

    socket: Path
    """Unix socket on which it answers."""

    def state(self) -> TrackingServerState:
        """How it stands; RUNNING only if its process lives."""

    def measured(self) -> TrackingServerState:
        """The same with its memory; takes milliseconds."""

    def demand(self) -> AbstractContextManager[None]:
        """It is wanted from now on: started if it does not run, and not ended while the context is open."""
