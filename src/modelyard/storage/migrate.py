"""Alembic, one branch of tables at a time, on a connection that the caller opened and commits."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from modelyard.storage.metadata import BRANCHES

MIGRATIONS = Path(__file__).parent / "migrations"
VERSIONS = "alembic_version"
"""Where alembic notes a revision unless it is told otherwise."""


def version_table(branch: str) -> str:
    """Where alembic notes the revision of a branch."""
    return f"{VERSIONS}_{branch}"


def upgrade_branch(connection: Connection, branch: str, revision: str = "head") -> None:
    """Run the scripts of `branch`, up to `revision`, that this database has not seen."""
    command.upgrade(branch_config(connection, branch), revision)


def run_scripts(connection: Connection, scripts: Path, revision: str) -> None:
    """Run scripts of somebody else's tables, up to `revision`, in the caller's transaction.

    Raises:
        LookupError: they do not know the revision.
    """
    config = _config(connection, None, scripts)
    try:
        ScriptDirectory.from_config(config).get_revision(revision)
    except CommandError as error:
        raise LookupError(str(error)) from error
    command.upgrade(config, revision)


def head_of(connection: Connection, branch: str) -> str:
    """The newest revision of a branch."""
    return str(ScriptDirectory.from_config(branch_config(connection, branch)).get_current_head())


def branch_config(connection: Connection, branch: str) -> Config:
    """Alembic's configuration for one branch; `migrations/env.py` reads the connection and branch from it."""
    if branch not in BRANCHES:
        raise ValueError(f"no migration branch '{branch}'; there are {', '.join(BRANCHES)}")
    return _config(connection, branch, MIGRATIONS / branch)


def _config(connection: Connection, branch: str | None, scripts: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("version_locations", str(scripts).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes.update(connection=connection, branch=branch)
    return config
