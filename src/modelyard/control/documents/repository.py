"""All SQL of documents."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, and_, delete, func, insert, select, update

from modelyard.control.documents.tables import documents
from modelyard.control.rest.pages import PageQuery
from modelyard.storage.keyset import keyset
from modelyard.types.foreign.documents import Document, DocumentFilter, DocumentOrder

_ORDERS: dict[DocumentOrder, Sequence[Column[Any]]] = {
    DocumentOrder.NAME: (documents.c.name,),
    DocumentOrder.CREATED: (documents.c.created_at, documents.c.name),
    DocumentOrder.MODIFIED: (documents.c.modified_at, documents.c.name),
}


class DocumentRepository:
    """Rows of `documents` as Document."""

    def insert(self, connection: Connection, document: Document) -> None:
        """Add a document."""
        connection.execute(insert(documents).values(asdict(document)))

    def get(self, connection: Connection, kind: str, project: str, name: str) -> Document | None:
        """The document of this name."""
        row = connection.execute(select(documents).where(_is(kind, project, name))).mappings().one_or_none()
        return None if row is None else Document(**row)

    def update(self, connection: Connection, document: Document) -> None:
        """Replace content, tags and the time of the last change."""
        values = {"content": document.content, "tags": document.tags, "modified_at": document.modified_at}
        where = _is(document.kind, document.project, document.name)
        connection.execute(update(documents).where(where).values(values))

    def delete(self, connection: Connection, kind: str, project: str, name: str) -> bool:
        """Remove the document of this name; whether there was one."""
        return bool(connection.execute(delete(documents).where(_is(kind, project, name))).rowcount)

    def is_empty(self, connection: Connection, project: str) -> bool:
        """True if the project has none."""
        found = connection.execute(select(documents.c.name).where(documents.c.project == project).limit(1))
        return found.first() is None

    def list(
        self,
        connection: Connection,
        kind: str,
        project: str,
        chosen: DocumentFilter,
        order: DocumentOrder,
        page: PageQuery,
        *,
        descending: bool,
    ) -> list[Document]:
        """Documents that `chosen` leaves, up to page.limit + 1 of them."""
        statement = select(documents).where(_has(kind, project), *_conditions(chosen))
        statement = keyset(statement, _ORDERS[order], page.after, page.limit, descending=descending)
        return [Document(**row) for row in connection.execute(statement).mappings()]


def sort_key(order: DocumentOrder, document: Document) -> tuple[Any, ...]:
    """Where `document` stands in a list of this order."""
    return tuple(getattr(document, column.name) for column in _ORDERS[order])


def _has(kind: str, project: str) -> ColumnElement[bool]:
    return and_(documents.c.kind == kind, documents.c.project == project)


def _is(kind: str, project: str, name: str) -> ColumnElement[bool]:
    return and_(_has(kind, project), documents.c.name == name)


def _conditions(chosen: DocumentFilter) -> list[ColumnElement[bool]]:
    bounds = (
        (documents.c.created_at, chosen.created_after, chosen.created_before),
        (documents.c.modified_at, chosen.modified_after, chosen.modified_before),
    )
    found = [column > after for column, after, _ in bounds if after is not None]
    found += [column < before for column, _, before in bounds if before is not None]
    if chosen.name_contains:
        found.append(func.lower(documents.c.name).contains(chosen.name_contains.lower(), autoescape=True))
    return found
