"""A short memory in front of an authenticator that asks a database or another process."""

import threading
from collections.abc import Callable

from modelyard.control.rest.guard import Authenticator
from modelyard.kit.clock import Clock
from modelyard.types.access import Principal


class CachedAuthenticator:
    """Remembers good answers for a few seconds, so a revoked token works at most that much longer. Thread-safe.

    Args:
        authenticator: the one that knows.
        clock: monotonic seconds.
        digest: hash of a secret; secrets themselves are not kept.
        seconds: how long an answer is believed.
    """

    def __init__(
        self, authenticator: Authenticator, clock: Clock, digest: Callable[[str], str], seconds: float = 5.0
    ) -> None:
        self._authenticator = authenticator
        self._clock = clock
        self._digest = digest
        self._seconds = seconds
        self._known: dict[str, tuple[float, Principal]] = {}
        self._lock = threading.Lock()

    def authenticate(self, secret: str) -> Principal:
        """Who holds this token.

        Raises:
            UnauthenticatedError: unknown, expired or revoked.
        """
        digest = self._digest(secret)
        known = self._known.get(digest)
        if known is not None and self._clock.monotonic() < known[0]:
            return known[1]
        principal = self._authenticator.authenticate(secret)
        self._remember(digest, principal)
        return principal

    def forget(self) -> None:
        """Ask again for every token (one was revoked)."""
        with self._lock:
            self._known = {}

    def _remember(self, digest: str, principal: Principal) -> None:
        now = self._clock.monotonic()
        until = now + self._seconds
        if principal.expires_at is not None:
            until = min(until, now + (principal.expires_at - self._clock.now()).total_seconds())
        with self._lock:
            current = {key: value for key, value in self._known.items() if value[0] > now}
            self._known = {**current, digest: (until, principal)}
