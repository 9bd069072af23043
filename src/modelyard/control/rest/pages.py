"""Cursor pagination, without HTTP: the request for a page, and a page."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from modelyard.storage.keyset import CursorInvalidError

T = TypeVar("T")
CursorValue = str | int | float
DEFAULT_LIMIT = 50
MAXIMUM_LIMIT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """A part of a list. `next_cursor` asks for the part after it; null: this is the last one."""

    items: list[T]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Which part of a list is wanted: at most `limit` items after `after` (the sort key of the last item seen).

    Use: `rows = repository.list(connection, ..., page)` with `storage.keyset.keyset(select, columns, page.after,
    page.limit)`, then `page.page(rows, lambda item: (item.created_at, item.id))`.
    """

    limit: int = DEFAULT_LIMIT
    after: tuple[CursorValue, ...] | None = None

    @classmethod
    def decode(cls, limit: int, cursor: str | None) -> "PageQuery":
        """From what came over the wire.

        Raises:
            CursorInvalidError: the cursor is not one that `encode` made.
        """
        return cls(limit, None if cursor is None else _decode(cursor))

    @staticmethod
    def encode(key: Sequence[CursorValue | datetime]) -> str:
        """The cursor that stands after an item with this sort key."""
        values = [value.isoformat() if isinstance(value, datetime) else value for value in key]
        return base64.urlsafe_b64encode(msgspec.json.encode(values)).rstrip(b"=").decode()

    def page(self, items: Sequence[T], key: Callable[[T], Sequence[CursorValue | datetime]]) -> Page[T]:
        """A page of `items` (up to limit + 1 of them, as `keyset` gives): the one too many becomes the next cursor."""
        shown = list(items[: self.limit])
        return Page(items=shown, next_cursor=self.encode(key(shown[-1])) if len(items) > self.limit else None)


def _decode(cursor: str) -> tuple[CursorValue, ...]:
    try:
        data = base64.b64decode(cursor.encode() + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return tuple(msgspec.json.decode(data, type=list[CursorValue]))
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise CursorInvalidError(
            "The cursor is not one that this list gave out",
            hint="Pass `next_cursor` of the page before.",
            field="cursor",
        ) from None
