"""Finding models: understands a query or a phrase, and answers with a page of versions."""

import difflib

from modelyard.control.models.discovery.errors import SearchQueryInvalidError
from modelyard.control.models.discovery.fields import FIELDS
from modelyard.control.models.discovery.parser import check_text, parse_query
from modelyard.control.models.discovery.phrases import interpret, is_phrase
from modelyard.control.models.discovery.sql import DiscoveryRepository
from modelyard.control.models.discovery.syntax import FieldName, Query
from modelyard.control.models.repository import ModelRepository
from modelyard.control.rest.pages import PageQuery
from modelyard.storage.database import Database
from modelyard.types.discovery import SearchHit, SearchPage


class DiscoveryService:
    """Safe from any thread."""

    def __init__(self, database: Database, repository: DiscoveryRepository, models: ModelRepository) -> None:
        self._database = database
        self._repository = repository
        self._models = models

    def search(self, project: str, text: str, page: PageQuery) -> SearchPage:
        """Versions that fit a query or a phrase; for an empty one, the newest version of each model.

        Raises:
            SearchQueryInvalidError: it has the marks of a query and does not parse.
            CursorInvalidError: the cursor belongs to another query.
        """
        query = understand(text)
        with self._database.read() as connection:
            rows = self._repository.search(connection, project, query, page)
            shown = page.page(rows, lambda row: row[1])
            versions = self._models.versions_by_id(connection, [version_id for version_id, _ in shown.items])
            names = {version.model for version in versions.values()}
            descriptions = self._models.descriptions(connection, project, names)
            known = {family: self._repository.facts_named(connection, project, family) for family in _open(query)}
        hits = [SearchHit(version=version, description=descriptions[version.model]) for version in versions.values()]
        return SearchPage(items=hits, next_cursor=shown.next_cursor, query=str(query), notes=_notes(query, known))


def understand(text: str) -> Query:
    """The query that `text` is, or, if it has none of the marks of a query, the one that it stands for as a phrase.

    Raises:
        SearchQueryInvalidError: it is meant as a query and does not parse.
    """
    check_text(text)
    try:
        return parse_query(text)
    except SearchQueryInvalidError:
        if not is_phrase(text):
            raise
    return interpret(text)


def _fields(query: Query) -> list[FieldName]:
    fields = [comparison.field for comparison in query.comparisons] + [order.field for order in query.order_by]
    return [field for field in dict.fromkeys(fields) if FIELDS[field.family].is_open]


def _open(query: Query) -> set[str]:
    return {field.family for field in _fields(query)}


def _notes(query: Query, known: dict[str, set[str]]) -> tuple[str, ...]:
    """A sentence for each field that no version has: a slip of the pen is no error here, but it must be seen."""
    notes = []
    for field in _fields(query):
        if field.path in known[field.family]:
            continue
        keys = sorted(path.removeprefix(f"{field.family}.") for path in known[field.family])
        close = difflib.get_close_matches(field.key.casefold(), keys, n=1)
        hint = f"; did you mean {FieldName(field.family, close[0])}?" if close else "."
        notes.append(f"No version in this project has {field}{hint}")
    return tuple(notes)
