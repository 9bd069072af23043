"""Alembic, one branch of tables at a time, on a connection that the caller opened and commits."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from modelyard.storage.metadata import BRANCHES

MIGRATIONS = Path(__file__).parent / "migrations"


def version_table(branch: str) -> str:
    """Where alembic notes the revision of a branch."""
    return f"alembic_version_{branch}"


def upgrade_branch(connection: Connection, branch: str, revision: str = "head") -> None:
    """Run the scripts of `branch`, up to `revision`, that this database has not seen."""
    command.upgrade(branch_config(connection, branch), revision)


def head_of(connection: Connection, branch: str) -> str:
    """The newest revision of a branch."""
    return str(ScriptDirectory.from_config(branch_config(connection, branch)).get_current_head())


def branch_config(connection: Connection, branch: str) -> Config:
    """Alembic's configuration for one branch; `migrations/env.py` reads the connection and branch from it."""
    if branch not in BRANCHES:
        raise ValueError(f"no migration branch '{branch}'; there are {', '.join(BRANCHES)}")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("version_locations", str(MIGRATIONS / branch).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes.update(connection=connection, branch=branch)
    return config
