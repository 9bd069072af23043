"""Ends the jobs and replicas of a platform: with its orderly end, or after it was killed."""

import time

from modelyard.engines.base import Engine
from modelyard.engines.choice import open_engine
from modelyard.server.children import end_left_over
from modelyard.server.state.lock import PlatformLock
from modelyard.settings import Settings

STOP_SECONDS = 20.0


def end_remains(settings: Settings) -> int:
    """End what a platform that was killed has left behind; how many jobs and replicas those were.

    Raises:
        ResourceBusyError: a platform runs in the state directory.
        StateDirectoryUnusableError: it is another user's.
    """
    home = settings.layout
    if not home.run.is_dir():
        return 0
    with PlatformLock(home, "A platform starts or stops in this state directory"):
        end_left_over(home)
        return end_processes(open_engine(settings))


def end_processes(engine: Engine, patience_seconds: float = STOP_SECONDS) -> int:
    """End every job and replica; jobs are marked PREEMPTED, so the next start takes them up again. How many it were."""
    alive = [state.id for state in engine.list() if state.is_alive]
    for process_id in alive:
        engine.stop(process_id, grace_seconds=patience_seconds / 2, is_preemption=True)
    deadline = time.monotonic() + patience_seconds
    for process_id in alive:
        engine.wait(process_id, max(0.1, deadline - time.monotonic()))
    engine.reap()
    return len(alive)
