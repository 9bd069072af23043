"""MLflow's tables, from a schema of PostgreSQL into a SQLite file, which is how an archive has them, and back."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Column, Connection, MetaData, Table, delete, insert, inspect, select, text
from sqlalchemy.schema import CreateSchema

from modelyard.storage.archive.files import settle
from modelyard.storage.archive.layout import ArchiveDamagedError, ImportTargetNotEmptyError, StateTooNewError
from modelyard.storage.archive.rows import set_sequences
from modelyard.storage.database import Database
from modelyard.storage.migrate import VERSIONS, run_scripts

_BATCH_ROWS = 500


class TrackingTables(Protocol):
    """How MLflow makes its tables; only its own package knows.

    Attributes:
        schema: of PostgreSQL, where they lie.
    """

    schema: str

    def check(self) -> None:
        """Make sure that it is there.

        Raises:
            ModelyardError: MLflow is not installed here.
        """
        ...

    def scripts(self, connection: Connection) -> Path:
        """Make the tables that its migrations begin with; the folder of these migrations."""
        ...


def write_tracking(connection: Connection, tables: TrackingTables, file: Path) -> bool:
    """Copy the schema into a new SQLite file; False if MLflow has kept nothing there.

    Raises:
        StateTooNewError: a newer MLflow has made it.
        ModelyardError: see `TrackingTables.check`.
    """
    if not inspect(connection).has_table(VERSIONS, schema=tables.schema):
        return False
    tables.check()
    database = Database(f"sqlite:///{file}")
    with closing(database), _searching(connection, tables.schema), database.migration() as target:
        _make(target, tables, _revision(connection))
        _copy(connection, target)
    settle(file)
    return True


def read_tracking(connection: Connection, tables: TrackingTables, file: Path) -> None:
    """Copy a SQLite file into the schema, in the caller's transaction.

    Raises:
        ArchiveDamagedError: it is no file of MLflow's.
        ImportTargetNotEmptyError: something is in the schema.
        StateTooNewError: a newer MLflow has made it.
    """
    connection.execute(CreateSchema(tables.schema, if_not_exists=True))
    if inspect(connection).get_table_names(schema=tables.schema):
        raise ImportTargetNotEmptyError(
            f"The target is not empty: the database has tables in the schema '{tables.schema}'",
            hint=f'Import into a new database, or remove them there: DROP SCHEMA "{tables.schema}" CASCADE.',
        )
    database = Database(f"sqlite:///{file}")
    with closing(database), database.read() as source, _searching(connection, tables.schema):
        if not inspect(source).has_table(VERSIONS):
            raise ArchiveDamagedError(f"'{file.name}' in the archive is no database of MLflow's")
        _make(connection, tables, _revision(source))
        _copy(source, connection)


@contextmanager
def _searching(connection: Connection, schema: str) -> Iterator[None]:
    """MLflow's scripts name no schema."""
    connection.execute(text(f'SET LOCAL search_path TO "{schema}"'))
    yield
    connection.execute(text("SET LOCAL search_path TO DEFAULT"))


def _revision(connection: Connection) -> str:
    return str(connection.execute(text(f"SELECT version_num FROM {VERSIONS}")).scalar_one())  # noqa: S608 - a constant


def _make(connection: Connection, tables: TrackingTables, revision: str) -> None:
    try:
        run_scripts(connection, tables.scripts(connection), revision)
    except LookupError as error:
        raise StateTooNewError(
            f"The experiments are of a newer MLflow than the one installed here ({error})",
            hint="Install the release of Modelyard, with its extra `mlflow`, that made them. Nothing was changed.",
        ) from error


def _copy(source: Connection, target: Connection) -> None:
    present, new = MetaData(), MetaData()
    present.reflect(source)
    new.reflect(target)
    order = [table for table in new.sorted_tables if table.name != VERSIONS]
    for table in reversed(order):
        target.execute(delete(table))  # rows that the scripts begin with
    for table in order:
        _copy_rows(source, present.tables[table.name], target, table)
        set_sequences(target, table)


def _copy_rows(source: Connection, present: Table, target: Connection, new: Table) -> None:
    columns: list[Column[object]] = [present.c[column.name] for column in new.columns if column.computed is None]
    rows = source.execute(select(*columns), execution_options={"yield_per": _BATCH_ROWS}).mappings()
    for batch in rows.partitions():
        target.execute(insert(new), [dict(row) for row in batch])
