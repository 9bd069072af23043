"""What rules have found, for whoever tells people of it."""

from collections.abc import Sequence

from modelyard.control.jobs.repository import JobRepository
from modelyard.storage.database import Database
from modelyard.types.debugging.rules import Finding

_MOST_AT_ONCE = 100


class FindingService:
    """The findings that are no event yet. Safe from any thread."""

    def __init__(self, database: Database, repository: JobRepository) -> None:
        self._database = database
        self._repository = repository

    def untold(self, project: str | None) -> Sequence[Finding]:
        """The oldest of them, of every project if none is named."""
        with self._database.read() as connection:
            return self._repository.untold_findings(connection, project, _MOST_AT_ONCE)

    def note_told(self, ids: Sequence[int]) -> None:
        """They have been told of; saying so twice is fine."""
        with self._database.transaction() as connection:
            self._repository.note_findings_told(connection, ids)
