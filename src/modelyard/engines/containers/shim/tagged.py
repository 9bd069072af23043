"""Output of the members of a gang: line by line, each behind its rank, as `algorithms/programs/ranks.py` has it."""

from collections.abc import Callable

_METRIC = b"metric "
_LONGEST_LINE_BYTES = 1 << 16


class TaggedOutput:
    """Passes the output of one member on. For one thread.

    Args:
        rank: the member's; metrics of rank 0 are those of the job, and stay as they are.
        take: gets whole lines.
    """

    def __init__(self, rank: int, take: Callable[[bytes], None]) -> None:
        self._rank = rank
        self._take = take
        self._rest = b""

    def __call__(self, piece: bytes) -> None:
        """The next piece of output."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._say(line)
        if len(self._rest) > _LONGEST_LINE_BYTES:
            self.close()

    def close(self) -> None:
        """The line that has no end yet, if there is one."""
        if self._rest:
            self._say(self._rest)
            self._rest = b""

    def _say(self, line: bytes) -> None:
        is_metric = self._rank == 0 and line.startswith(_METRIC)
        self._take(line + b"\n" if is_metric else b"[%d] %s\n" % (self._rank, line))
