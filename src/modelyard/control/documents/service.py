"""Rules of documents."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from modelyard.control.documents.errors import DocumentExistsError, DocumentNotFoundError
from modelyard.control.documents.repository import DocumentRepository, sort_key
from modelyard.control.rest.pages import Page, PageQuery
from modelyard.kit.clock import Clock
from modelyard.storage.database import Connection, Database
from modelyard.types.foreign.documents import Document, DocumentFilter, DocumentOrder

_ALL = DocumentFilter()
_SCAN = 500


class DocumentService:
    """Keeps documents. Safe from any thread; each method is one transaction."""

    def __init__(self, database: Database, repository: DocumentRepository, clock: Clock) -> None:
        self._database = database
        self._repository = repository
        self._clock = clock

    def create(
        self, kind: str, project: str, name: str, content: dict[str, Any], tags: Mapping[str, str] | None = None
    ) -> Document:
        """A new document.

        Raises:
            DocumentExistsError: the name is taken.
        """
        now = self._clock.now()
        document = Document(
            kind=kind,
            project=project,
            name=name,
            content=content,
            tags=dict(tags or {}),
            created_at=now,
            modified_at=now,
        )
        with self._database.transaction() as connection:
            if self._repository.get(connection, kind, project, name) is not None:
                raise DocumentExistsError(f"There is a {kind} '{name}' already", hint="Choose another name.")
            self._repository.insert(connection, document)
        return document

    def find(self, kind: str, project: str, name: str) -> Document | None:
        """The document of this name, if there is one."""
        with self._database.read() as connection:
            return self._repository.get(connection, kind, project, name)

    def get(self, kind: str, project: str, name: str) -> Document:
        """The document of this name.

        Raises:
            DocumentNotFoundError: there is none.
        """
        document = self.find(kind, project, name)
        if document is None:
            raise _not_found(kind, name)
        return document

    def update(
        self, kind: str, project: str, name: str, change: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> Document:
        """Give a document the content that `change` makes of the present one, with nobody in between.

        Raises:
            DocumentNotFoundError: there is none.
        """
        return self._change(kind, project, name, lambda found: replace(found, content=change(found.content)))

    def set_tags(self, kind: str, project: str, name: str, tags: Mapping[str, str]) -> Document:
        """Add tags, or give them new values.

        Raises:
            DocumentNotFoundError: there is none.
        """
        return self._change(kind, project, name, lambda found: replace(found, tags={**found.tags, **tags}))

    def remove_tags(self, kind: str, project: str, name: str, keys: list[str]) -> Document:
        """Remove tags; those that are not there are no mistake.

        Raises:
            DocumentNotFoundError: there is none.
        """
        gone = set(keys)

        def change(found: Document) -> Document:
            return replace(found, tags={key: value for key, value in found.tags.items() if key not in gone})

        return self._change(kind, project, name, change)

    def delete(self, kind: str, project: str, name: str) -> None:
        """Remove a document.

        Raises:
            DocumentNotFoundError: there is none.
        """
        if not self.discard(kind, project, name):
            raise _not_found(kind, name)

    def discard(self, kind: str, project: str, name: str) -> bool:
        """Remove a document if there is one; whether there was."""
        with self._database.transaction() as connection:
            return self._repository.delete(connection, kind, project, name)

    def is_empty(self, project: str) -> bool:
        """True if the project has none."""
        with self._database.read() as connection:
            return self._repository.is_empty(connection, project)

    def list(
        self,
        kind: str,
        project: str,
        page: PageQuery,
        chosen: DocumentFilter = _ALL,
        order: DocumentOrder = DocumentOrder.CREATED,
        *,
        descending: bool = True,
    ) -> Page[Document]:
        """Documents of a kind, in pages."""
        with self._database.read() as connection:
            return self._page(connection, kind, project, page, chosen, order, descending=descending)

    def cursor(self, document: Document, order: DocumentOrder) -> str:
        """What asks a list of this order for what comes after a document."""
        return PageQuery.encode(sort_key(order, document))

    def every(self, kind: str, project: str, chosen: DocumentFilter = _ALL) -> Iterator[Document]:
        """All documents of a kind by name, read in portions while they are taken."""
        page = PageQuery(limit=_SCAN)
        while True:
            part = self.list(kind, project, page, chosen, DocumentOrder.NAME, descending=False)
            yield from part.items
            if part.next_cursor is None:
                return
            page = PageQuery.decode(_SCAN, part.next_cursor)

    def _page(
        self,
        connection: Connection,
        kind: str,
        project: str,
        page: PageQuery,
        chosen: DocumentFilter,
        order: DocumentOrder,
        *,
        descending: bool,
    ) -> Page[Document]:
        """Tags lie inside JSON, so they are looked at here: portions are read until the page is full."""
        found: list[Document] = []
        rest = page
        while True:
            rows = self._repository.list(connection, kind, project, chosen, order, rest, descending=descending)
            has_more = len(rows) > rest.limit
            found += [row for row in rows[: rest.limit] if chosen.tags.items() <= row.tags.items()]
            if not has_more:
                return page.page(found, lambda document: sort_key(order, document))
            if len(found) > page.limit or not chosen.tags:
                return page.page([*found, *rows[rest.limit :]], lambda document: sort_key(order, document))
            rest = PageQuery.decode(_SCAN, PageQuery.encode(sort_key(order, rows[rest.limit - 1])))

    def _change(self, kind: str, project: str, name: str, change: Callable[[Document], Document]) -> Document:
        with self._database.transaction() as connection:
            document = self._repository.get(connection, kind, project, name)
            if document is None:
                raise _not_found(kind, name)
            changed = replace(change(document), modified_at=self._clock.now())
            self._repository.update(connection, changed)
        return changed


def _not_found(kind: str, name: str) -> DocumentNotFoundError:
    return DocumentNotFoundError(f"There is no {kind} '{name}'", hint="A list of that kind names what there is.")
