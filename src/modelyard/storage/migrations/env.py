"""Alembic's entry: which tables, which version table, and the connection that modelyard.storage.migrate gives."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import MetaData

from modelyard.storage.columns import DataclassJson, UtcDateTime
from modelyard.storage.metadata import BRANCHES
from modelyard.storage.migrate import VERSIONS, version_table


def _render_type(kind: str, item: Any, imports: AutogenContext) -> str | Literal[False]:
    """How autogenerate writes our column types: by what the database stores."""
    if kind != "type":
        return False
    if isinstance(item, UtcDateTime):
        imports.imports.add("from modelyard.storage.columns import UtcDateTime")
        return "UtcDateTime()"
    return "sa.Text()" if isinstance(item, DataclassJson) else False


_attributes = context.config.attributes
_branch = _attributes["branch"]  # None: scripts of somebody else's
_tables = BRANCHES[_branch] if _branch is not None else MetaData()
context.configure(
    connection=_attributes["connection"],
    target_metadata=_tables,
    version_table=VERSIONS if _branch is None else version_table(_branch),
    include_name=lambda name, kind, _parents: kind != "table" or name in _tables.tables,
    render_item=_render_type,
    render_as_batch=True,  # SQLite cannot alter columns: alembic rebuilds the table
    transactional_ddl=True,  # our SQLite connections begin by themselves, so DDL is transactional there too
    compare_type=True,
)
context.run_migrations()
