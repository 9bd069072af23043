"""A worker's signs of life, and the alarm that ends it when its model hangs.

Both are independent of the model's thread, which may be stuck in C code with Python's lock held. The alarm is a timer
of the kernel: set before a batch, taken back after it. If it goes off, a signal handler in C prints where the thread is
and the process ends with SIGALRM. The signs are a small file beside the socket: until when the worker promises to be
heard of again, and what it noticed. A promise that is over means that the process was stopped or starved.
"""

import contextlib
import faulthandler
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

BEAT_SECONDS = 5.0
"""How often an idle worker renews its promise."""

HANG_SECONDS = 40.0
"""A batch may take this long, however short its callers wait."""

GRACE_SECONDS = 2.0
"""An alarm goes off so long after the callers have given up."""

MARGIN_SECONDS = 20.0
"""A sign of life may come so much later than was planned: the machine may be busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """What a worker says of itself.

    Attributes:
        alive_until: moment of CLOCK_MONOTONIC (one clock for all processes of a machine) before which it writes again.
        nan_output: an output in which it answered NaN although none of its golden answers has any.
        remark: something else that is worth saying of a worker that works.
    """

    alive_until: float
    nan_output: str = ""
    remark: str = ""


def vitals_path(address: str) -> Path:
    """Where the worker on this Unix socket keeps its signs of life."""
    return Path(f"{address}.vitals")


def read_vitals(address: str) -> Vitals | None:
    """What the worker on this Unix socket said last; None if it said nothing yet, or is about to."""
    try:
        return msgspec.json.decode(vitals_path(address).read_bytes(), type=Vitals)
    except (OSError, msgspec.DecodeError):
        return None


class LifeSigns:
    """The worker's side. Used by the thread that runs the model.

    Args:
        address: its socket; signs are written only if it is a path.
        hang_seconds: a batch may take this long, or as long as its callers wait, whichever is longer.
    """

    def __init__(self, address: str, hang_seconds: float) -> None:
        self._path = vitals_path(address) if "/" in address else None
        self._hang_seconds = hang_seconds
        self._alive_until = 0.0
        self._nan_output = ""
        # Not a handler in Python: that would wait for the very thread that hangs.
        faulthandler.register(signal.SIGALRM, file=sys.stderr, all_threads=False, chain=True)

    def beat(self) -> None:
        """Promise to be heard of again in time for a batch of the usual length."""
        self._promise(time.monotonic() + BEAT_SECONDS + self._hang_seconds + MARGIN_SECONDS)

    def begin_batch(self, patience_seconds: float) -> None:
        """Set the alarm for a batch whose callers wait `patience_seconds`."""
        seconds = max(self._hang_seconds, patience_seconds + GRACE_SECONDS)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        if seconds > self._hang_seconds and time.monotonic() + seconds + GRACE_SECONDS > self._alive_until:
            self._promise(time.monotonic() + seconds + MARGIN_SECONDS)

    @staticmethod
    def end_batch() -> None:
        """Take the alarm back."""
        signal.setitimer(signal.ITIMER_REAL, 0)

    def note_nan(self, output: str) -> None:
        """The model answered NaN in `output`; the first time is told at once."""
        if not self._nan_output:
            self._nan_output = output
            self._promise(self._alive_until)

    def close(self) -> None:
        """Remove the signs of an orderly end."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _promise(self, until: float) -> None:
        self._alive_until = until
        if self._path is None:
            return
        content = msgspec.json.encode(Vitals(alive_until=until, nan_output=self._nan_output))
        temporary = self._path.with_suffix(".new")
        with contextlib.suppress(OSError):  # a full disk must not end a model that answers
            temporary.write_bytes(content)
            temporary.replace(self._path)
