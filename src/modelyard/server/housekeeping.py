"""Removes what is no longer needed: idempotency keys, and cached copies that nothing has used for a while."""

import shutil
from datetime import timedelta

from modelyard.server.applications.context import Context

KEYS_LIVE = timedelta(days=7)


class Housekeeping:
    """One round at a time. Whatever it removes can be had again from the database or the object store."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def run(self) -> None:
        """Remove what is old."""
        now = self._context.clock.now()
        with self._context.database.transaction() as connection:
            self._context.creations.prune(connection, now - KEYS_LIVE)
        oldest = (now - timedelta(days=self._context.settings.cache_retention_days)).timestamp()
        for path in self._context.home.cache.glob("*/*"):
            stat = path.stat()
            if max(stat.st_atime, stat.st_mtime) < oldest:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
