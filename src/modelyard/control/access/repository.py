"""All SQL of tokens."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, or_, select, update

from modelyard.control.access.tables import tokens
from modelyard.control.rest.pages import PageQuery
from modelyard.storage.keyset import keyset
from modelyard.types.access import Role, Token
from modelyard.types.routing import RouteToken


class TokenRepository:
    """Rows of `tokens` as Token; the hash of the secret goes in and is compared, and leaves only for the gateway."""

    def insert(self, connection: Connection, token: Token, secret_sha256: str) -> None:
        """Add a token."""
        connection.execute(insert(tokens).values(asdict(token) | {"secret_sha256": secret_sha256}))

    def by_secret(self, connection: Connection, secret_sha256: str) -> Token | None:
        """The token whose secret has this hash."""
        return self._one(connection, tokens.c.secret_sha256 == secret_sha256)

    def get(self, connection: Connection, token_id: str) -> Token | None:
        """The token of this id."""
        return self._one(connection, tokens.c.id == token_id)

    def set_revoked(self, connection: Connection, token_id: str, at: datetime) -> None:
        """Revoke; keeps the time of an earlier revocation."""
        unrevoked = (tokens.c.id == token_id) & tokens.c.revoked_at.is_(None)
        connection.execute(update(tokens).where(unrevoked).values(revoked_at=at))

    def set_last_used(self, connection: Connection, token_id: str, at: datetime) -> None:
        """Note a use."""
        connection.execute(update(tokens).where(tokens.c.id == token_id).values(last_used_at=at))

    def route_tokens(self, connection: Connection, now: datetime) -> list[RouteToken]:
        """Every token in force at `now`, oldest first, as the gateway needs it."""
        in_force = tokens.c.revoked_at.is_(None) & or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > now)
        rows = connection.execute(select(tokens).where(in_force).order_by(tokens.c.id))
        return [
            RouteToken(
                id=row.id,
                secret_sha256=row.secret_sha256,
                project=row.project,
                role=Role(row.role),
                expires_at=row.expires_at,
                requests_per_second=row.requests_per_second,
            )
            for row in rows
        ]

    def is_empty(self, connection: Connection, project: str, now: datetime) -> bool:
        """True if no token in force is bound to the project."""
        return not any(token.project == project for token in self.route_tokens(connection, now))

    def list(self, connection: Connection, project: str | None, page: PageQuery) -> list[Token]:
        """Tokens, newest first; only those bound to `project` if it is given."""
        statement = select(tokens)
        if project is not None:
            statement = statement.where(tokens.c.project == project)
        statement = keyset(statement, [tokens.c.id], page.after, page.limit, descending=True)
        return [_token(row) for row in connection.execute(statement).mappings()]

    @staticmethod
    def _one(connection: Connection, condition: Any) -> Token | None:
        row = connection.execute(select(tokens).where(condition)).mappings().one_or_none()
        return None if row is None else _token(row)


def _token(row: RowMapping) -> Token:
    values = {name: value for name, value in row.items() if name != "secret_sha256"}
    return Token(**values | {"role": Role(values["role"])})
