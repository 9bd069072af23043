"""Keyset pagination: the rows after a given one in a total order. Cost does not grow with the page's number."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, literal, tuple_

from modelyard.errors import InvalidInputError
from modelyard.storage.columns import UtcDateTime


class CursorInvalidError(InvalidInputError):
    """A cursor that this list did not give out."""

    code = "cursor_invalid"


_Statement = TypeVar("_Statement", bound=Select[Any])


def keyset(
    statement: _Statement,
    columns: Sequence[ColumnElement[Any]],
    after: Sequence[str | int | float] | None,
    limit: int,
    *,
    descending: bool = False,
) -> _Statement:
    """`statement` ordered by `columns` (together unique), from the row after `after`, at most limit + 1 rows.

    The row too many tells whether there is a next page; `PageQuery.page` cuts it off.

    Raises:
        CursorInvalidError: `after` does not fit the columns.
    """
    if after is not None:
        position = tuple_(*_literals(columns, after))
        row = tuple_(*columns)
        statement = statement.where(row < position if descending else row > position)
    return statement.order_by(*(c.desc() if descending else c.asc() for c in columns)).limit(limit + 1)


def _literals(columns: Sequence[ColumnElement[Any]], values: Sequence[str | int | float]) -> list[ColumnElement[Any]]:
    if len(values) != len(columns):
        raise _invalid()
    return [literal(_value(column, value), column.type) for column, value in zip(columns, values, strict=True)]


def _value(column: ColumnElement[Any], value: str | float) -> Any:
    if isinstance(column.type, UtcDateTime):
        try:
            return datetime.fromisoformat(str(value))
        except ValueError:
            raise _invalid() from None
    if not isinstance(value, column.type.python_type):
        raise _invalid()
    return value


def _invalid() -> CursorInvalidError:
    return CursorInvalidError(
        "The cursor does not belong to this list", hint="Pass `next_cursor` of the page before.", field="cursor"
    )
