"""Which tables there are at which revision of the schema, also at revisions that the code has left behind."""

import tempfile
from collections.abc import Mapping

from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData, Table, inspect, text

from modelyard.storage.archive.layout import StateTooNewError
from modelyard.storage.database import Database
from modelyard.storage.metadata import BRANCHES
from modelyard.storage.migrate import branch_config, upgrade_branch, version_table


def revisions_of(connection: Connection) -> dict[str, str]:
    """The revision of each branch of tables that this database has."""
    found = {}
    for branch in BRANCHES:
        if inspect(connection).has_table(version_table(branch)):
            query = text(f"SELECT version_num FROM {version_table(branch)}")  # noqa: S608 - a name of ours
            revision = connection.execute(query).scalar_one_or_none()
            if revision is not None:
                found[branch] = str(revision)
    return found


def check_known(connection: Connection, revisions: Mapping[str, str]) -> None:
    """Make sure that this release can read a schema.

    Raises:
        StateTooNewError: it has a branch or a revision that is not known here.
    """
    for branch, revision in revisions.items():
        try:
            scripts = ScriptDirectory.from_config(branch_config(connection, branch))
            is_known = scripts.get_revision(revision) is not None
        except (ValueError, CommandError):
            is_known = False
        if not is_known:
            raise StateTooNewError(
                f"The schema ({branch} at {revision}) is not known to this release",
                hint="Use the release that made it, or a newer one. Nothing was changed.",
            )


def tables_at(revisions: Mapping[str, str]) -> dict[str, list[str]]:
    """The names of each branch's tables, as its scripts make them up to the given revision."""
    found: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Database(f"sqlite:///{folder}/scratch.db")
        with scratch.migration() as connection:
            known: set[str] = set()
            for branch, revision in revisions.items():
                upgrade_branch(connection, branch, revision)
                inspector = inspect(connection)
                names = set(inspector.get_table_names()) - known
                known |= names
                found[branch] = sorted(names - {version_table(branch)})
        scratch.close()
    return found


def reflect(connection: Connection, names: Mapping[str, list[str]]) -> list[tuple[str, Table]]:
    """(branch, table) as the database has them; a table comes after those that it refers to."""
    branch_of = {name: branch for branch, each in names.items() for name in each}
    metadata = MetaData()
    metadata.reflect(connection, only=sorted(branch_of))
    return [(branch_of[table.name], table) for table in metadata.sorted_tables]
