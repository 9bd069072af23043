"""All SQL of access keys."""

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, RowMapping, insert, select, update

from modelyard.control.access_keys.tables import access_keys
from modelyard.control.rest.pages import PageQuery
from modelyard.storage.keyset import keyset
from modelyard.types.access import Role
from modelyard.types.foreign.access_keys import AccessKey


class AccessKeyRepository:
    """Rows of `access_keys` as AccessKey."""

    def insert(self, connection: Connection, key: AccessKey) -> None:
        """Add a key."""
        connection.execute(insert(access_keys).values(asdict(key)))

    def get(self, connection: Connection, key_id: str) -> AccessKey | None:
        """The key of this id."""
        row = connection.execute(select(access_keys).where(access_keys.c.id == key_id)).mappings().one_or_none()
        return None if row is None else _key(row)

    def named(self, connection: Connection, project: str, name: str) -> AccessKey | None:
        """The newest key of a project that has this name and is in force."""
        statement = (
            select(access_keys)
            .where(access_keys.c.project == project, access_keys.c.name == name, access_keys.c.revoked_at.is_(None))
            .order_by(access_keys.c.created_at.desc(), access_keys.c.id)
            .limit(1)
        )
        row = connection.execute(statement).mappings().one_or_none()
        return None if row is None else _key(row)

    def set_revoked(self, connection: Connection, key_id: str, at: datetime) -> None:
        """Revoke; keeps the time of an earlier revocation."""
        unrevoked = (access_keys.c.id == key_id) & access_keys.c.revoked_at.is_(None)
        connection.execute(update(access_keys).where(unrevoked).values(revoked_at=at))

    def in_force(self, connection: Connection) -> list[AccessKey]:
        """Every key that is not revoked, oldest first."""
        statement = (
            select(access_keys)
            .where(access_keys.c.revoked_at.is_(None))
            .order_by(access_keys.c.created_at, access_keys.c.id)
        )
        return [_key(row) for row in connection.execute(statement).mappings()]

    def list(self, connection: Connection, project: str | None, page: PageQuery) -> list[AccessKey]:
        """Keys, newest first; only those of `project` if it is given."""
        statement = select(access_keys)
        if project is not None:
            statement = statement.where(access_keys.c.project == project)
        columns = [access_keys.c.created_at, access_keys.c.id]
        statement = keyset(statement, columns, page.after, page.limit, descending=True)
        return [_key(row) for row in connection.execute(statement).mappings()]


def _key(row: RowMapping) -> AccessKey:
    return AccessKey(**{**row, "role": Role(row["role"])})
