"""Who may call models: Bearer tokens against the SHA-256 digests of the routing table."""

import hashlib
import hmac
import math
import time
from collections.abc import Iterable
from typing import NamedTuple

from modelyard.errors import OverloadedError, PermissionDeniedError, UnauthenticatedError
from modelyard.types.access import Role
from modelyard.types.routing import RouteToken

DEFAULT_PROJECT = "default"
PROJECT_HEADER = b"x-modelyard-project"

_SCHEME = b"bearer "
_MAX_ACCEPTED = 4096


class RateExceededError(OverloadedError):
    """The token has called models as often as it may."""

    code = "rate_exceeded"


class Rate:
    """How often a token may call models: a bucket that holds a second's worth of calls and fills all the time."""

    def __init__(self, per_second: float) -> None:
        self.per_second = per_second
        self._full = max(1.0, per_second)
        self._left, self._at = self._full, time.monotonic()

    def take(self) -> None:
        """Use one call.

        Raises:
            RateExceededError: none is left; Retry-After says when there is one again.
        """
        now = time.monotonic()
        self._left = min(self._full, self._left + (now - self._at) * self.per_second)
        self._at = now
        if self._left < 1:
            raise RateExceededError(
                f"this token may call models {self.per_second:g} times a second",
                hint="Send it again after the time in Retry-After, send several rows in one request, or ask for a "
                "token with a higher rate.",
                retry_after_seconds=(1 - self._left) / self.per_second,
            )
        self._left -= 1


class Caller(NamedTuple):
    """A token that was accepted. `project` None: every project; `rate` None: as often as it likes."""

    token_id: str
    project: str | None
    role: Role
    rate: Rate | None = None

    def count_call(self) -> None:
        """Note that a model is called.

        Raises:
            RateExceededError: the token has called as often as it may.
        """
        if self.rate is not None:
            self.rate.take()


class Access:
    """The tokens in force. Every role may call models: VIEWER "reads and calls models" and the others include it."""

    def __init__(self) -> None:
        self._tokens: dict[bytes, tuple[bytes, float, Caller]] = {}
        self._accepted: dict[bytes, tuple[float, Caller]] = {}  # by header: 0.1 us where the digest takes 1

    def follow(self, tokens: Iterable[RouteToken]) -> None:
        """Replace the tokens; one that stays goes on with what is left of its rate."""
        rates = {caller.token_id: caller.rate for _, _, caller in self._tokens.values()}
        self._tokens = {}
        for token in tokens:
            digest = bytes.fromhex(token.secret_sha256)
            ends = token.expires_at.timestamp() if token.expires_at else math.inf
            rate = _rate(rates.get(token.id), token.requests_per_second)
            self._tokens[digest] = (digest, ends, Caller(token.id, token.project, token.role, rate))
        self._accepted.clear()

    def authenticate(self, authorization: bytes | None) -> Caller:
        """The holder of the token in an Authorization header.

        Looking a digest up in a dictionary tells nothing about other digests: who sends secrets cannot choose what
        their digests start with. The found one is compared in constant time all the same.

        Raises:
            UnauthenticatedError: none, or not one that is in force.
        """
        accepted = self._accepted.get(authorization) if authorization else None
        if accepted is not None and accepted[0] > time.time():
            return accepted[1]
        if authorization is None:
            raise _unauthenticated("no token came with the request")
        if authorization[: len(_SCHEME)].lower() != _SCHEME:
            raise _unauthenticated("the Authorization header is not of the form 'Bearer TOKEN'")
        digest = hashlib.sha256(authorization[len(_SCHEME) :].strip()).digest()
        known = self._tokens.get(digest)
        if known is None or not hmac.compare_digest(known[0], digest):
            raise _unauthenticated("the token is unknown or was revoked")
        if known[1] <= time.time():
            raise _unauthenticated("the token has expired")
        if len(self._accepted) >= _MAX_ACCEPTED:
            self._accepted.clear()
        self._accepted[authorization] = known[1:]
        return known[2]


def project_of(caller: Caller, asked: bytes | None) -> str:
    """The project that a request is about: the token's, else the X-Modelyard-Project header's, else the default.

    Raises:
        PermissionDeniedError: the header names another project than the token's.
    """
    if asked is None:
        return caller.project or DEFAULT_PROJECT
    project = asked.decode("latin-1")
    if caller.project is not None and caller.project != project:
        raise PermissionDeniedError(
            f"this token is for project '{caller.project}' only",
            hint="Leave the X-Modelyard-Project header out, or use a token of that project.",
        )
    return project


def _rate(before: Rate | None, per_second: float | None) -> Rate | None:
    if per_second is None:
        return None
    return before if before is not None and before.per_second == per_second else Rate(per_second)


def _unauthenticated(reason: str) -> UnauthenticatedError:
    return UnauthenticatedError(
        reason, hint="Send 'Authorization: Bearer TOKEN'; `modelyard token create` makes a token."
    )
