"""Rows as lines of JSON that mean the same for SQLite and PostgreSQL.

The first line of a table has the names of its columns, each other one the values of a row. Times are UTC without an
offset, days are ISO 8601 too, floats that JSON does not know are text ("nan"), bytes are Base64.
"""

import base64
import hashlib
import itertools
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import IO, Any

import msgspec
from sqlalchemy import Column, Connection, Date, DateTime, Float, LargeBinary, String, Table, func, insert, select, text

from modelyard.storage.archive.layout import ArchiveDamagedError, TableTotal

_BATCH_ROWS = 500


def write_rows(connection: Connection, table: Table, file: IO[bytes]) -> TableTotal:
    """Write a whole table; rows in the order of their key, so that the same rows make the same bytes."""
    digest, count = hashlib.sha256(), -1
    for count, line in enumerate(_lines(connection, table)):  # noqa: B007 - used below: the first line is no row
        digest.update(line)
        file.write(line)
    return TableTotal(rows=count, sha256=digest.hexdigest())


def load_rows(connection: Connection, table: Table, file: IO[bytes]) -> None:
    """Insert what `write_rows` wrote.

    Raises:
        ArchiveDamagedError: the lines do not fit the table.
    """
    try:
        names = msgspec.json.decode(file.readline(), type=list[str])
        columns = [table.c[name] for name in names]
        while batch := [_decoded(columns, line) for line in itertools.islice(file, _BATCH_ROWS)]:
            connection.execute(insert(table), batch)
    except (msgspec.MsgspecError, KeyError, ValueError, TypeError) as error:
        raise ArchiveDamagedError(f"The rows of table '{table.name}' cannot be read: {error}") from error
    set_sequences(connection, table)


def _lines(connection: Connection, table: Table) -> Iterator[bytes]:
    columns = list(table.columns)
    yield msgspec.json.encode([str(column.name) for column in columns]) + b"\n"
    is_sqlite = connection.dialect.name == "sqlite"
    order = [  # byte by byte on both
        column if is_sqlite or not isinstance(column.type, String) else column.collate("C")
        for column in table.primary_key
    ]
    rows = connection.execute(select(*columns).order_by(*order), execution_options={"yield_per": _BATCH_ROWS})
    for row in rows:
        yield msgspec.json.encode([_encoded(value) for value in row]) + b"\n"


def _encoded(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _decoded(columns: list[Column[Any]], line: bytes) -> dict[str, Any]:
    values = msgspec.json.decode(line, type=list[Any])
    return {column.name: _value(column, value) for column, value in zip(columns, values, strict=True)}


def _value(column: Column[Any], value: Any) -> Any:
    if value is None:
        return None
    if isinstance(column.type, DateTime):
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if column.type.timezone else moment
    if isinstance(column.type, Date):
        return date.fromisoformat(value)
    if isinstance(column.type, Float):
        return float(value)
    return base64.b64decode(value) if isinstance(column.type, LargeBinary) else value


def set_sequences(connection: Connection, table: Table) -> None:
    """PostgreSQL counts on by itself, from where the rows end; SQLite looks at the rows anyway."""
    if connection.dialect.name == "sqlite":
        return
    for column in table.primary_key:
        names = {"table": f'"{table.name}"', "column": column.name}
        sequence = connection.execute(text("SELECT pg_get_serial_sequence(:table, :column)"), names).scalar_one()
        newest = None if sequence is None else connection.execute(select(func.max(column))).scalar_one()
        if newest is not None:
            connection.execute(text("SELECT setval(:sequence, :value)"), {"sequence": sequence, "value": newest})
