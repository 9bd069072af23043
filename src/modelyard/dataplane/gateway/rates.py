"""How often a token may call models, also where several gateways share a port and so its calls."""

import fcntl
import hashlib
import logging
import mmap
import os
import time
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Self

from modelyard.errors import OverloadedError

_SIZE = 8
_TRIES = 20  # 10 us together
_ROUNDING_SECONDS = 1e-6
_logger = logging.getLogger(__name__)


class RateExceededError(OverloadedError):
    """The token has called models as often as it may."""

    code = "rate_exceeded"


class RateLevel:
    """Until when (`time.monotonic()`) the calls of a token have used its rate up, for one gateway or for several.

    As a context it is this gateway's alone, if that is to be had at once. If not, another gateway was interrupted,
    perhaps stopped, within the microsecond that it takes. That must not stop this one too; so it goes on, and a call of
    either may not be counted. Two processes that took all they could had 0.4 % too many at 20,000 calls a second and
    none at 1,000, where without this lock they had 33 % too many.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = descriptor
        memory = bytearray(_SIZE) if descriptor is None else mmap.mmap(descriptor, _SIZE)
        self._value = memoryview(memory).cast("d")
        self._is_locked = False

    @property
    def until(self) -> float:
        """The moment."""
        return self._value[0]

    @until.setter
    def until(self, moment: float) -> None:
        self._value[0] = moment

    def __enter__(self) -> Self:
        if self._descriptor is not None:
            for _ in range(_TRIES):
                try:
                    fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    self._is_locked = True
                    break
                except BlockingIOError:
                    continue
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_locked and self._descriptor is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            self._is_locked = False

    def close(self) -> None:
        """Let the others have it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class RateLevels:
    """The levels of all tokens with a rate.

    Args:
        folder: where gateways share them, each in a file that all of them have in memory; None: nobody shares.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._levels: dict[str, RateLevel] = {}

    def of(self, token_id: str) -> RateLevel:
        """The token's level; it lasts as long as the token does."""
        level = self._levels.get(token_id)
        if level is None:
            level = self._levels[token_id] = self._make(token_id)
        return level

    def keep_only(self, token_ids: Collection[str]) -> None:
        """Forget tokens that are no longer in force."""
        for gone in self._levels.keys() - token_ids:
            self._levels.pop(gone).close()

    def _make(self, token_id: str) -> RateLevel:
        if self._folder is None:
            return RateLevel()
        try:
            path = self._folder / hashlib.sha256(token_id.encode()).hexdigest()
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            os.posix_fallocate(descriptor, 0, _SIZE)  # a full disk shows here, and not as SIGBUS at the first call
            return RateLevel(descriptor)
        except OSError as error:
            _logger.warning("the rate of token %s is held to by this gateway alone: %s", token_id, error)
            return RateLevel()


class Rate:
    """A bucket that holds a second's worth of calls and fills all the time (GCRA: one number says how full it is).

    Args:
        per_second: calls.
        level: the number.
    """

    def __init__(self, per_second: float, level: RateLevel) -> None:
        self.per_second = per_second
        self._level = level
        self._seconds_per_call = 1 / per_second
        self._full_seconds = max(1.0, per_second) * self._seconds_per_call

    def take(self) -> None:
        """Use one call.

        Raises:
            RateExceededError: none is left; Retry-After says when there is one again.
        """
        with self._level as level:
            now = time.monotonic()
            used = min(max(0.0, level.until - now), self._full_seconds)  # at most: the rate may have been lower
            missing = used + self._seconds_per_call - self._full_seconds
            if missing <= _ROUNDING_SECONDS:
                level.until = now + used + self._seconds_per_call
                return
        raise RateExceededError(
            f"this token may call models {self.per_second:g} times a second",
            hint="Send it again after the time in Retry-After, send several rows in one request, or ask for a "
            "token with a higher rate.",
            retry_after_seconds=missing,
        )
