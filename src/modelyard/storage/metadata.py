"""One MetaData for each application, so that each can have a database of its own; `common` goes into all of them."""

from sqlalchemy import MetaData

_NAMING = {  # migrations on PostgreSQL and SQLite can only drop a constraint that has a known name
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

common_metadata = MetaData(naming_convention=_NAMING)
registry_metadata = MetaData(naming_convention=_NAMING)
jobs_metadata = MetaData(naming_convention=_NAMING)
operations_metadata = MetaData(naming_convention=_NAMING)

BRANCHES = {
    "common": common_metadata,
    "registry": registry_metadata,
    "jobs": jobs_metadata,
    "operations": operations_metadata,
}
"""Migration branch -> its tables. A branch's scripts lie in `migrations/<branch>/`."""
