"""Ends the jobs and replicas of a platform: with its orderly end, or after it was killed."""

import json
import time

from modelyard.engines.base import Engine
from modelyard.engines.choice import open_engine
from modelyard.server.arguments import read_settings
from modelyard.server.children import end_left_over
from modelyard.server.state.lock import PlatformLock
from modelyard.settings import Home, Settings

STOP_SECONDS = 20.0


def end_remains(settings: Settings) -> int:
    """End what a platform that was killed has left behind; how many jobs and replicas those were.

    Raises:
        ResourceBusyError: something works in the state directory.
        StateDirectoryUnusableError: it is another user's, or its disk is full.
    """
    home = settings.layout
    try:
        if not home.run.is_dir():
            return 0
        with PlatformLock(home, "Something else works in this state directory", "Try again later."):
            end_left_over(home)
            return end_processes(open_engine(read_settings({"home": home.root, **_told_engine(home)})))
    except OSError as error:
        raise home.unusable(error) from error


def engine_settings(settings: Settings) -> dict[str, object]:
    """What tells the engine of a platform, to be written down while it runs."""
    return settings.model_dump(include={"engine", "ray_address", "container_socket"}, mode="json")


def _told_engine(home: Home) -> dict[str, object]:
    try:
        told: dict[str, object] = json.loads((home.run / "platform.json").read_bytes()).get("settings", {})
    except (FileNotFoundError, ValueError):
        return {}
    return told


def end_processes(engine: Engine, patience_seconds: float = STOP_SECONDS) -> int:
    """End every job and replica; jobs are marked PREEMPTED, so the next start takes them up again. How many it were.

    Raises:
        OSError: some could not be asked, since the disk is full; all others were.
    """
    alive = [state.id for state in engine.list() if state.is_alive]
    refused: OSError | None = None
    for process_id in alive:
        try:
            engine.stop(process_id, grace_seconds=patience_seconds / 2, is_preemption=True)
        except OSError as error:
            refused = error
    deadline = time.monotonic() + patience_seconds
    for process_id in alive:
        engine.wait(process_id, max(0.1, deadline - time.monotonic()))
    engine.reap()
    if refused is not None:
        raise refused
    return len(alive)
