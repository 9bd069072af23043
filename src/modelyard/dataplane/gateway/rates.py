"""How often a token may call models, also where several gateways share a port and so its calls."""

import hashlib
import logging
import mmap
import os
import time
from collections.abc import Collection
from pathlib import Path

from modelyard.errors import OverloadedError

_ROUNDING_SECONDS = 1e-6
_logger = logging.getLogger(__name__)


class RateExceededError(OverloadedError):
    """The token has called models as often as it may."""

    code = "rate_exceeded"


class RateLevels:
    """One number for each token with a rate: until when its calls so far have used it up.

    Args:
        folder: where gateways share them, each in a file that all of them have in memory; None: nobody shares.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._levels: dict[str, memoryview[float]] = {}

    def of(self, token_id: str) -> "memoryview[float]":
        """The token's number, `time.monotonic()` seconds; it lasts as long as the token does."""
        level = self._levels.get(token_id)
        if level is None:
            level = self._levels[token_id] = self._share(token_id) or memoryview(bytearray(8)).cast("d")
        return level

    def keep_only(self, token_ids: Collection[str]) -> None:
        """Forget tokens that are no longer in force."""
        self._levels = {each: level for each, level in self._levels.items() if each in token_ids}

    def _share(self, token_id: str) -> "memoryview[float] | None":
        if self._folder is None:
            return None
        try:
            path = self._folder / hashlib.sha256(token_id.encode()).hexdigest()
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, 8)  # a full disk shows here, and not as SIGBUS at the first call
                return memoryview(mmap.mmap(descriptor, 8)).cast("d")
            finally:
                os.close(descriptor)
        except OSError as error:
            _logger.warning("the rate of token %s is held to by this gateway alone: %s", token_id, error)
            return None


class Rate:
    """A bucket that holds a second's worth of calls and fills all the time (GCRA: one number says how full it is).

    Gateways that share the number take no lock: one that was stopped while it held it would stop them all. So calls
    that two of them admit in the same microsecond may count as one.

    Args:
        per_second: calls.
        level: see RateLevels.
    """

    def __init__(self, per_second: float, level: "memoryview[float]") -> None:
        self.per_second = per_second
        self._level = level
        self._seconds_per_call = 1 / per_second
        self._full_seconds = max(1.0, per_second) * self._seconds_per_call

    def take(self) -> None:
        """Use one call.

        Raises:
            RateExceededError: none is left; Retry-After says when there is one again.
        """
        now = time.monotonic()
        used = min(max(0.0, self._level[0] - now), self._full_seconds)  # the upper bound: the rate may have been lower
        missing = used + self._seconds_per_call - self._full_seconds
        if missing > _ROUNDING_SECONDS:
            raise RateExceededError(
                f"this token may call models {self.per_second:g} times a second",
                hint="Send it again after the time in Retry-After, send several rows in one request, or ask for a "
                "token with a higher rate.",
                retry_after_seconds=missing,
            )
        self._level[0] = now + used + self._seconds_per_call
