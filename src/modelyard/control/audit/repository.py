"""All SQL of the audit."""

from dataclasses import asdict

from sqlalchemy import Connection, insert, select

from modelyard.control.audit.tables import audit_entries
from modelyard.control.rest.pages import PageQuery
from modelyard.storage.keyset import keyset
from modelyard.types.access import AuditEntry

_MAXIMUM_PATH = 2000


class AuditRepository:
    """Entries are added and read, never changed."""

    def insert(self, connection: Connection, entry: AuditEntry) -> None:
        """Add an entry."""
        values = asdict(entry) | {"path": entry.path[:_MAXIMUM_PATH]}
        connection.execute(insert(audit_entries).values(values))

    def list(self, connection: Connection, project: str | None, page: PageQuery) -> list[AuditEntry]:
        """Entries, newest first; of one project if it is named."""
        statement = select(audit_entries)
        if project is not None:
            statement = statement.where(audit_entries.c.project == project)
        statement = keyset(statement, [audit_entries.c.id], page.after, page.limit, descending=True)
        return [AuditEntry(**row) for row in connection.execute(statement).mappings()]
