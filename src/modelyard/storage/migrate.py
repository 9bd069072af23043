"""Alembic, one branch of tables at a time, on a connection that the caller opened and commits."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from modelyard.storage.metadata import BRANCHES

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade_branch(connection: Connection, branch: str) -> None:
    """Run the scripts of `branch` that this database has not seen."""
    command.upgrade(branch_config(connection, branch), "head")


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
