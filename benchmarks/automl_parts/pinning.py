"""Processes that work at once, each pinned to a core."""

import multiprocessing
import os
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import Queue


def pinned(workers: int) -> ProcessPoolExecutor:
    """So many processes; each has one core, with all that it starts, and no other has it if there are enough."""
    spawning = multiprocessing.get_context("spawn")
    cores: Queue[int] = spawning.Queue()
    usable = sorted(os.sched_getaffinity(0))
    for number in range(workers):
        cores.put(usable[number % len(usable)])
    return ProcessPoolExecutor(workers, spawning, _take, (cores,))


def told(workers: int) -> str:
    """How they work, in words for a page."""
    if workers == 1:
        return "one core, one after the other with other work on the machine"
    return f"{workers} at once, each pinned to one of {len(os.sched_getaffinity(0))} cores"


def _take(cores: "Queue[int]") -> None:
    os.sched_setaffinity(0, {cores.get()})
    warnings.simplefilter("ignore")  # of the libraries that are compared
