"""Who may call models: Bearer tokens against the SHA-256 digests of the routing table."""

import hashlib
import hmac
import math
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from modelyard.dataplane.errors import AccessKeyUnknownError
from modelyard.dataplane.gateway.dialect import Headers
from modelyard.dataplane.gateway.rates import Rate, RateLevels
from modelyard.dataplane.gateway.signing import Claim, Signatures, claim_of
from modelyard.errors import PermissionDeniedError, UnauthenticatedError
from modelyard.types.access import Role
from modelyard.types.routing import RouteToken

DEFAULT_PROJECT = "default"
PROJECT_HEADER = b"x-modelyard-project"

_SCHEME = b"bearer "
_MAX_ACCEPTED = 4096


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

    def __init__(self, levels: RateLevels | None = None) -> None:
        self._levels = levels or RateLevels()
        self._tokens: dict[bytes, tuple[bytes, float, Caller]] = {}
        self._accepted: dict[bytes, tuple[float, Caller]] = {}  # by header: 0.1 us where the digest takes 1
        self._signers: dict[str, tuple[Mapping[str, str], float, Caller]] = {}
        self._signatures = Signatures()

    def follow(self, tokens: Iterable[RouteToken]) -> None:
        """Replace the tokens; one that stays goes on with what is left of its rate."""
        self._tokens, self._signers = {}, {}
        for token in tokens:
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

    def claim(self, authorization: bytes) -> Claim:
        """Who says to have signed a request, from its head; `prove` takes the whole of it.

        Raises:
            SignatureInvalidError: the header has another form.
            AccessKeyUnknownError: there is no such key in force.
        """
        claim = claim_of(authorization)
        signer = self._signers.get(claim.key_id)
        if signer is None or signer[1] <= time.time():
            raise AccessKeyUnknownError(
                f"the access key '{claim.key_id[:40]}' is unknown or was revoked",
                hint="`modelyard aws-credentials` prints one that is in force.",
            )
        return claim

    def signer(self, key_id: str) -> Caller | None:
        """The holder of an access key, who has proven nothing yet."""
        found = self._signers.get(key_id)
        return None if found is None else found[2]

    def prove(self, claim: Claim, method: bytes, url: bytes, headers: Headers, body: bytes) -> Caller:
        """The holder of the key, who signed exactly this request.

        Raises:
            SignatureInvalidError, AccessKeyUnknownError: they did not, or not in time.
        """
        signer = self._signers.get(claim.key_id)
        if signer is None:
            raise AccessKeyUnknownError(f"the access key '{claim.key_id[:40]}' was revoked", hint="Use another one.")
        self._signatures.check(claim, signer[0], method, url, headers, body)
        return signer[2]


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
