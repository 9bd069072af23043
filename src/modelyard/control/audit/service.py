"""The audit log: keeps entries and shows them."""

from modelyard.control.audit.repository import AuditRepository
from modelyard.control.rest.pages import Page, PageQuery
from modelyard.storage.database import Database
from modelyard.types.access import AuditEntry


class AuditService:
    """The AuditLog of an application."""

    def __init__(self, database: Database, repository: AuditRepository) -> None:
        self._database = database
        self._repository = repository

    def record(self, entry: AuditEntry) -> None:
        """Store an entry durably."""
        with self._database.transaction() as connection:
            self._repository.insert(connection, entry)

    def list(self, project: str | None, page: PageQuery) -> Page[AuditEntry]:
        """Entries, newest first; of every project and of none if `project` is None."""
        with self._database.read() as connection:
            return page.page(self._repository.list(connection, project, page), lambda entry: (entry.id,))
