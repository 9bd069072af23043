"""Who may call models, by the routing table: Bearer tokens by their SHA-256 digests, access keys by what they sign."""

import hashlib
import hmac
import math
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from modelyard.dataplane.errors import AccessKeyUnknownError
from modelyard.dataplane.gateway.dialect import Headers
from modelyard.dataplane.gateway.rates import Rate, RateLevels
from modelyard.dataplane.gateway.sessions import LONGEST, PREFIX, session_signer
from modelyard.dataplane.gateway.signing import Claim, Signatures, claim_of, date_key
from modelyard.errors import PermissionDeniedError, UnauthenticatedError
from modelyard.types.access import Role
from modelyard.types.routing import RouteToken

DEFAULT_PROJECT = "default"
PROJECT_HEADER = b"x-modelyard-project"

_SCHEME = b"bearer "
_MAX_ACCEPTED = 4096
_TOKEN_HEADER = b"x-amz-security-token"


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


_Signer = tuple[Mapping[str, str], float, Caller]
"""What an access key's secret makes of some days, when the key ends, and who it speaks for."""


class Access:
    """The tokens in force. Every role may call models: VIEWER "reads and calls models" and the others include it."""

    def __init__(self, levels: RateLevels | None = None) -> None:
        self._levels = levels or RateLevels()
        self._tokens: dict[bytes, tuple[bytes, float, Caller]] = {}
        self._accepted: dict[bytes, tuple[float, Caller]] = {}  # by header: 0.1 us where the digest takes 1
        self._signers: dict[str, _Signer] = {}
        self._session_keys: Mapping[str, str] = {}
        self._next_end = math.inf
        self._sessions: dict[tuple[str, bytes], _Signer] = {}  # by id and token: two digests less for each request
        self._signatures = Signatures()

    def follow(self, tokens: Iterable[RouteToken]) -> None:
        """Replace the tokens; one that stays goes on with what is left of its rate."""
        self._tokens, self._signers, self._session_keys = {}, {}, {}
        self._sessions.clear()
        self._accepted.clear()
        for token in tokens:
            if token.session_keys:
                self._session_keys = token.session_keys
                continue
            digest = bytes.fromhex(token.secret_sha256)
            ends = token.expires_at.timestamp() if token.expires_at else math.inf
            per_second = token.requests_per_second
            rate = None if per_second is None else Rate(per_second, self._levels.of(token.id))
            caller = Caller(token.id, token.project, token.role, rate)
            if token.date_keys:
                self._signers[token.id] = (token.date_keys, ends, caller)
            else:
                self._tokens[digest] = (digest, ends, caller)
        known = (*self._tokens.values(), *self._signers.values())
        self._levels.keep_only({caller.token_id for _, _, caller in known})
        self._note_next_end()

    def has_ended(self) -> bool:
        """Whether a token's time is over that was not when this was last asked, or when the tokens were replaced."""
        if time.time() < self._next_end:
            return False
        self._note_next_end()
        return True

    def _note_next_end(self) -> None:
        now = time.time()
        self._next_end = min((ends for _, ends, _ in self._tokens.values() if ends > now), default=math.inf)

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

    def claim(self, authorization: bytes, headers: Headers) -> Claim:
        """Who says to have signed a request, from its head; `prove` takes the whole of it.

        Raises:
            SignatureInvalidError: the header has another form.
            AccessKeyUnknownError: there is no such key in force.
        """
        claim = claim_of(authorization)
        self._signer(claim.key_id, headers)
        return claim

    def signer(self, claim: Claim, headers: Headers) -> Caller:
        """The holder of an access key, who has proven nothing yet.

        Raises:
            AccessKeyUnknownError: there is no such key in force.
        """
        return self._signer(claim.key_id, headers)[2]

    def prove(self, claim: Claim, method: bytes, url: bytes, headers: Headers, body: bytes) -> Caller:
        """The holder of the key, who signed exactly this request.

        Raises:
            SignatureInvalidError, AccessKeyUnknownError: they did not, or not in time.
        """
        date_keys, _, caller = self._signer(claim.key_id, headers)
        self._signatures.check(claim, date_keys, method, url, headers, body)
        return caller

    def _signer(self, key_id: str, headers: Headers) -> _Signer:
        token = headers.get(_TOKEN_HEADER, b"") if key_id.startswith(PREFIX) else None
        found = self._signers.get(key_id) if token is None else self._sessions.get((key_id, token))
        if found is None and token is not None:
            found = self._session(key_id, token)
        if found is None or found[1] <= time.time():
            raise AccessKeyUnknownError(
                f"the access key '{key_id[:40]}' is unknown, was revoked, or its time is over",
                hint="`modelyard aws-credentials` prints one that is in force.",
            )
        return found

    def _session(self, key_id: str, token: bytes) -> _Signer:
        session, secret = session_signer(self._session_keys, key_id, token)
        caller = Caller(session.id, session.project, session.role)
        days = (datetime.now(UTC).date() + timedelta(days=offset) for offset in range(-1, LONGEST.days + 2))
        date_keys = {day: date_key(secret, day) for day in (each.strftime("%Y%m%d") for each in days)}
        if len(self._sessions) >= _MAX_ACCEPTED:
            self._sessions.clear()
        self._sessions[key_id, token] = found = (date_keys, session.until.timestamp(), caller)
        return found


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


def _unauthenticated(reason: str) -> UnauthenticatedError:
    return UnauthenticatedError(
        reason, hint="Send 'Authorization: Bearer TOKEN'; `modelyard token create` makes a token."
    )
