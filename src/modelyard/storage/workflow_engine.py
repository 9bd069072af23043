"""The SQLAlchemy engine that the workflow library works through, in the same database as everything else."""

import sqlite3
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url


def create_workflow_engine(url: str) -> Engine:
    """An engine for DBOS on the database `url`.

    DBOS begins its SQLite transactions by the driver's isolation level (our own engine does so by an event), and leaves
    the journal mode to us: WAL lets readers pass writers, and makes commits four times as fast as the default journal.
    """
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(make_url(url).set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    engine = create_engine(url, pool_size=10, max_overflow=30)
    event.listen(engine, "connect", _configure_sqlite)
    return engine


def _configure_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = "IMMEDIATE"
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=30000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
