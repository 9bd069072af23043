"""Cores of their own for the load generator and for each process that answers, so that the kernel moves nothing about.

On a machine with many cores it takes a while to find each process a place, and finds another one now and then: at 1 s
a load that is a good part of what is measured.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Pinning:
    """Who runs where.

    Attributes:
        load: the core of the load generator.
    """

    def __init__(self) -> None:
        self._cores = sorted(os.sched_getaffinity(0))
        self.load = self._cores[0]

    def pin(self, pids: Iterable[int]) -> None:
        """Give each process a core, with all its threads; again from the first one if there are not enough."""
        others = self._cores[1:] or self._cores
        for number, pid in enumerate(sorted(pids)):
            core = others[number % len(others)]
            with suppress(OSError):  # it has ended meanwhile
                for thread in Path(f"/proc/{pid}/task").iterdir():
                    os.sched_setaffinity(int(thread.name), {core})


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """What this thread starts in the meantime runs on `core`; anywhere if that is None."""
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
