"""Rules of tokens, and the Authenticator of the process that holds them."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from modelyard.control.access.errors import (
    TokenExpiredError,
    TokenInvalidError,
    TokenLifetimeInvalidError,
    TokenNotFoundError,
    TokenRevokedError,
)
from modelyard.control.access.repository import TokenRepository
from modelyard.control.access.secrets import new_secret, secret_digest
from modelyard.control.rest.authentication import CachedAuthenticator
from modelyard.control.rest.pages import Page, PageQuery
from modelyard.kit.clock import Clock
from modelyard.kit.files import write_atomic
from modelyard.kit.ids import new_id
from modelyard.storage.database import Database
from modelyard.types.access import Principal, Role, Token
from modelyard.types.routing import RouteToken

_USE_NOTED_EVERY = timedelta(minutes=1)  # a write per request would make reading slow


class AccessService:
    """Makes, shows, revokes and checks tokens. Safe from any thread.

    Args:
        database: has them.
        repository: all their SQL.
        clock: for their ends.
        signers: access keys, as the gateway needs them beside the tokens.
    """

    def __init__(
        self,
        database: Database,
        repository: TokenRepository,
        clock: Clock,
        signers: Callable[[], Sequence[RouteToken]] = tuple,
    ) -> None:
        self._signers = signers
        self._database = database
        self._repository = repository
        self._clock = clock
        self._cache = CachedAuthenticator(_Stored(database, repository, clock), clock, secret_digest)

    def authenticate(self, secret: str) -> Principal:
        """Who holds this token; an answer may be five seconds old, but not across a revocation in this process.

        Raises:
            TokenInvalidError: nobody.
            TokenExpiredError: its time is over.
            TokenRevokedError: it was revoked.
        """
        return self._cache.authenticate(secret)

    def create(
        self,
        name: str,
        role: Role,
        project: str | None,
        expires_at: datetime | None,
        requests_per_second: float | None = None,
    ) -> tuple[Token, str]:
        """A new token and its secret, which cannot be had again.

        Raises:
            TokenLifetimeInvalidError: `expires_at` is over already.
        """
        now = self._clock.now()
        if expires_at is not None and expires_at <= now:
            raise TokenLifetimeInvalidError(
                f"The token would have expired at {expires_at.isoformat()}, before it was made",
                hint="Give a time in the future.",
                field="expires_at",
            )
        token = Token(
            id=new_id("token"),
            name=name,
            role=role,
            project=project,
            created_at=now,
            expires_at=expires_at,
            revoked_at=None,
            last_used_at=None,
            requests_per_second=requests_per_second,
        )
        secret = new_secret(token.id)
        with self._database.transaction() as connection:
            self._repository.insert(connection, token, secret_digest(secret))
        return token, secret

    def revoke(self, token_id: str, project: str | None) -> Token:
        """End a token now; no effect on one that was revoked before. `project`: only if it is bound to that.

        Raises:
            TokenNotFoundError: there is none.
        """
        with self._database.transaction() as connection:
            token = self._repository.get(connection, token_id)
            if token is None or (project is not None and token.project != project):
                raise TokenNotFoundError(f"There is no token '{token_id}'", hint="GET /tokens lists them.")
            self._repository.set_revoked(connection, token_id, self._clock.now())
            revoked = self._repository.get(connection, token_id)
        self._cache.forget()
        return revoked or token

    def route_tokens(self) -> list[RouteToken]:
        """Every token in force, for the gateway's routing table."""
        with self._database.read() as connection:
            own = self._repository.route_tokens(connection, self._clock.now())
        return [*own, *self._signers()]

    def is_empty(self, project: str) -> bool:
        """True if no token in force is bound to this project."""
        with self._database.read() as connection:
            return self._repository.is_empty(connection, project, self._clock.now())

    def ensure_admin_token(self, path: Path) -> str | None:
        """Make sure that `path` (mode 0600) holds the secret of an administrator's token that works.

        Returns:
            The secret if it was made now, else None. A file that was lost, or whose token was revoked or is of another
            database, gets a new token: whoever can write the state directory is the administrator anyway.
        """
        if path.is_file() and self._is_admin(path.read_text().strip()):
            return None
        _token, secret = self.create("first admin", Role.ADMIN, None, None)
        write_atomic(path, f"{secret}\n".encode(), mode=0o600)
        return secret

    def list(self, project: str | None, page: PageQuery) -> Page[Token]:
        """Tokens, newest first; only those bound to `project` if it is given."""
        with self._database.read() as connection:
            return page.page(self._repository.list(connection, project, page), lambda token: (token.id,))

    def _is_admin(self, secret: str) -> bool:
        try:
            principal = self.authenticate(secret)
        except (TokenInvalidError, TokenExpiredError, TokenRevokedError):
            return False
        return principal.role is Role.ADMIN and principal.project is None


class _Stored:
    """The authenticator behind the cache: looks into the table."""

    def __init__(self, database: Database, repository: TokenRepository, clock: Clock) -> None:
        self._database = database
        self._repository = repository
        self._clock = clock

    def authenticate(self, secret: str) -> Principal:
        with self._database.read() as connection:
            token = self._repository.by_secret(connection, secret_digest(secret))
        now = self._clock.now()
        hint = "Ask an administrator for a new one; `modelyard token create` makes it."
        if token is None:
            raise TokenInvalidError("This token is not known here", hint=hint)
        if token.revoked_at is not None:
            raise TokenRevokedError(f"Token '{token.name}' was revoked", hint=hint)
        if token.expires_at is not None and token.expires_at <= now:
            raise TokenExpiredError(f"Token '{token.name}' expired at {token.expires_at.isoformat()}", hint=hint)
        if token.last_used_at is None or now - token.last_used_at >= _USE_NOTED_EVERY:
            with self._database.transaction() as connection:
                self._repository.set_last_used(connection, token.id, now)
        return Principal(
            id=token.id, name=token.name, role=token.role, project=token.project, expires_at=token.expires_at
        )
