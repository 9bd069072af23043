"""All SQL of environments."""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from modelyard.control.environments.tables import environments


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedEnvironment:
    """A row of `environments`."""

    name: str
    requirements: str
    lock: str
    python: str
    created_at: datetime
    created_by: str


class EnvironmentRepository:
    """Rows of `environments`."""

    def all(self, connection: Connection) -> list[NamedEnvironment]:
        """By name."""
        rows = connection.execute(select(environments).order_by(environments.c.name)).mappings()
        return [NamedEnvironment(**row) for row in rows]

    def get(self, connection: Connection, name: str) -> NamedEnvironment | None:
        """One, if there is one of this name."""
        row = connection.execute(select(environments).where(environments.c.name == name)).mappings().one_or_none()
        return None if row is None else NamedEnvironment(**row)

    def insert(self, connection: Connection, environment: NamedEnvironment) -> None:
        """Add one; its name must be free."""
        connection.execute(insert(environments).values(asdict(environment)))
