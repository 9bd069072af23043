"""Amounts of what jobs need and hosts have, in whole numbers: sums of many never drift."""

from typing import NamedTuple, Self

MILLI = 1000
UNLIMITED = 1 << 60


class Amounts(NamedTuple):
    """Thousandths of a core, bytes of memory, thousandths of a GPU, and places for jobs."""

    millicpus: int = 0
    memory_bytes: int = 0
    milligpus: int = 0
    jobs: int = 0

    def times(self, count: int) -> "Amounts":
        """As much for `count` hosts; a job is one job on however many."""
        return Amounts(self.millicpus * count, self.memory_bytes * count, self.milligpus * count, self.jobs)

    def together(self, count: int) -> "Amounts":
        """As much for `count` processes on one host, each of which takes a place there."""
        return Amounts(*(amount * count for amount in self))

    def plus(self, other: Self) -> "Amounts":
        """The sum."""
        return Amounts(*(mine + its for mine, its in zip(self, other, strict=True)))

    def minus(self, other: Self) -> "Amounts":
        """The difference, which may be below zero."""
        return Amounts(*(mine - its for mine, its in zip(self, other, strict=True)))

    def fits_in(self, room: Self) -> bool:
        """True if no amount is more than there is."""
        return all(need <= there for need, there in zip(self, room, strict=True))

    def share_of(self, whole: Self) -> float:
        """The largest of its shares: what it takes of the resource that it takes most of."""
        return max((need / there for need, there in zip(self, whole, strict=True) if there > 0), default=0.0)


NOTHING = Amounts()
UNBOUNDED = Amounts(UNLIMITED, UNLIMITED, UNLIMITED, UNLIMITED)


def missing(need: Amounts, room: Amounts) -> str:
    """The first amount that is too large, in words; "" if all fit."""
    if need.milligpus > room.milligpus:
        return f"{need.milligpus / MILLI:g} GPUs, there are {room.milligpus / MILLI:g}"
    if need.millicpus > room.millicpus:
        return f"{need.millicpus / MILLI:g} cores, there are {room.millicpus / MILLI:g}"
    if need.memory_bytes > room.memory_bytes:
        return f"{need.memory_bytes / 2**30:.4g} GiB of memory, there are {room.memory_bytes / 2**30:.4g} GiB"
    if need.jobs > room.jobs:
        return f"{need.jobs} running jobs, {room.jobs} are allowed"
    return ""
