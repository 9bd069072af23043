"""Alembic scripts, one folder a branch (see storage.metadata.BRANCHES); made by `scripts/make_migration.py`."""
