"""Rules of access keys, permanent and temporary."""

import threading
from datetime import datetime, timedelta

from modelyard.control.access_keys.errors import (
    AccessKeyInvalidError,
    AccessKeyNotFoundError,
    SessionTokenExpiredError,
    SessionTokenInvalidError,
)
from modelyard.control.access_keys.repository import AccessKeyRepository
from modelyard.control.access_keys.secrets import TEMPORARY, Sealer, new_key_id, new_temporary_id
from modelyard.control.rest.pages import Page, PageQuery
from modelyard.dataplane.gateway.sessions import lending_days
from modelyard.dataplane.gateway.signing import date_key
from modelyard.kit.clock import Clock
from modelyard.storage.database import Database
from modelyard.types.access import Role
from modelyard.types.foreign.access_keys import AccessKey, SigningKey, TemporaryKey
from modelyard.types.routing import RouteToken

_ROUTED_DAYS = 8  # so long the gateway goes on when control is down
_BELIEVED_SECONDS = 5.0  # as long as tokens are: a revoked key works at most that much longer elsewhere
_SESSIONS = "sessions"
_KEY_HINT = "`modelyard aws-credentials` prints a key that works."


class AccessKeyService:
    """Makes, shows, revokes and finds access keys. Safe from any thread."""

    def __init__(self, database: Database, repository: AccessKeyRepository, sealer: Sealer, clock: Clock) -> None:
        self._database = database
        self._repository = repository
        self._sealer = sealer
        self._clock = clock
        self._known: dict[str, tuple[float, SigningKey]] = {}
        self._lock = threading.Lock()

    def create(self, name: str, project: str, role: Role) -> AccessKey:
        """A new key; `secret` tells its secret."""
        key = AccessKey(id=new_key_id(), name=name, project=project, role=role, created_at=self._clock.now())
        with self._database.transaction() as connection:
            self._repository.insert(connection, key)
        return key

    def ensure(self, name: str, project: str, role: Role) -> AccessKey:
        """The key of a project with this name and role; made if there is none in force."""
        with self._database.read() as connection:
            key = self._repository.named(connection, project, name)
        return key if key is not None and key.role is role else self.create(name, project, role)

    def secret(self, key_id: str) -> str:
        """The secret of a key."""
        return self._sealer.secret(key_id)

    def revoke(self, key_id: str, project: str | None) -> AccessKey:
        """End a key now; no effect on one that was revoked before. `project`: only if it belongs to that.

        Raises:
            AccessKeyNotFoundError: there is none.
        """
        with self._database.transaction() as connection:
            key = self._repository.get(connection, key_id)
            if key is None or (project is not None and key.project != project):
                raise AccessKeyNotFoundError(f"There is no access key '{key_id}'", hint="GET /access-keys lists them.")
            self._repository.set_revoked(connection, key_id, self._clock.now())
            revoked = self._repository.get(connection, key_id)
        with self._lock:
            self._known = {}
        return revoked or key

    def signing_keys(self) -> list[SigningKey]:
        """Every permanent key in force with its secret, oldest first: for the S3 server."""
        with self._database.read() as connection:
            return [self._signing(key) for key in self._repository.in_force(connection)]

    def route_tokens(self) -> list[RouteToken]:
        """The same for the gateway, which gets what the secrets make of the days around now instead of them.

        The last token stands for all temporary keys, which may outlive the keys that asked for them.
        """
        now = self._clock.now()
        days = [(now + timedelta(days=offset)).strftime("%Y%m%d") for offset in range(-1, _ROUTED_DAYS)]
        permanent = [
            RouteToken(
                id=key.id,
                secret_sha256="",
                project=key.project,
                role=key.role,
                date_keys={day: date_key(key.secret, day) for day in days},
            )
            for key in self.signing_keys()
        ]
        lent = {day: self._sealer.day_key(day) for day in lending_days(now, _ROUTED_DAYS)}
        return [
            *permanent,
            RouteToken(id=_SESSIONS, secret_sha256="", project=None, role=Role.VIEWER, session_keys=lent),
        ]

    def in_force(self, project: str) -> list[AccessKey]:
        """Every permanent key of a project that was not revoked, newest first."""
        with self._database.read() as connection:
            found = self._repository.in_force(connection)
        return [key for key in reversed(found) if key.project == project]

    def is_empty(self, project: str) -> bool:
        """True if no key in force belongs to this project."""
        return all(key.project != project for key in self.signing_keys())

    def find(self, key_id: str, session_token: str = "") -> SigningKey:
        """What a signature with this key is to be checked with; may be five seconds old.

        Raises:
            AccessKeyInvalidError: there is no such key, or it was revoked.
            SessionTokenInvalidError: the token of a temporary key is missing or not ours.
            SessionTokenExpiredError: its time is over.
        """
        if session_token or key_id.startswith(TEMPORARY):
            return self._temporary(key_id, session_token)
        known = self._known.get(key_id)
        if known is not None and self._clock.monotonic() < known[0]:
            return known[1]
        with self._database.read() as connection:
            key = self._repository.get(connection, key_id)
        if key is None or key.revoked_at is not None:
            words = "was revoked" if key is not None else "is not known here"
            raise AccessKeyInvalidError(f"The access key '{key_id[:40]}' {words}", hint=_KEY_HINT)
        signing = self._signing(key)
        with self._lock:
            self._known = {**self._known, key_id: (self._clock.monotonic() + _BELIEVED_SECONDS, signing)}
        return signing

    def lend(
        self, name: str, project: str, role: Role, duration_seconds: float, until: datetime | None = None
    ) -> TemporaryKey:
        """A key for a while, for a job or a session: in no list, and it cannot be revoked before its time.

        Args:
            name: who or what uses it.
            project: that it works in.
            role: what it may do there.
            duration_seconds: how long.
            until: not longer than to this moment.
        """
        key_id = new_temporary_id(self._clock.now().date())
        expires_at = self._clock.now() + timedelta(seconds=duration_seconds)
        expires_at = min(expires_at, until or expires_at)
        claims = {"id": key_id, "name": name, "project": project, "role": role, "until": expires_at.isoformat()}
        return TemporaryKey(
            id=key_id,
            secret=self._sealer.secret(key_id),
            session_token=self._sealer.seal(claims),
            project=project,
            role=role,
            expires_at=expires_at,
        )

    def list(self, project: str | None, page: PageQuery) -> Page[AccessKey]:
        """Keys, newest first."""
        with self._database.read() as connection:
            found = self._repository.list(connection, project, page)
        return page.page(found, lambda key: (key.created_at, key.id))

    def _temporary(self, key_id: str, session_token: str) -> SigningKey:
        claims = self._sealer.unseal(session_token)
        if claims is None or claims["id"] != key_id:
            raise SessionTokenInvalidError(
                f"The session token does not belong to the access key '{key_id[:40]}'",
                hint="Send the three values that came together: id, secret and session token.",
            )
        expires_at = datetime.fromisoformat(claims["until"])
        if expires_at <= self._clock.now():
            raise SessionTokenExpiredError(
                f"The temporary key '{key_id}' was good until {claims['until']}", hint="Ask for a new one."
            )
        return SigningKey(
            id=key_id,
            secret=self._sealer.secret(key_id),
            name=claims["name"],
            project=claims["project"],
            role=Role(claims["role"]),
            expires_at=expires_at,
        )

    def _signing(self, key: AccessKey) -> SigningKey:
        return SigningKey(
            id=key.id, secret=self._sealer.secret(key.id), name=key.name, project=key.project, role=key.role
        )
