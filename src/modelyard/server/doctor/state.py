"""Looks at where the platform keeps its state: folder, locks, disk, database."""

import fcntl
import os
import shutil
import sqlite3
import stat
import tempfile
from pathlib import Path

from modelyard.server.doctor.findings import Finding, FindingStatus
from modelyard.settings import Settings

GIB = 1 << 30
_LEAST_SQLITE = (3, 35, 0)  # RETURNING
_DISK_FAIL_BYTES, _DISK_WARN_BYTES = GIB // 2, 5 * GIB
_GROUP_OR_OTHERS = 0o077


def look_at_state_directory(settings: Settings) -> Finding:
    """Whether it is writable, and private."""
    root = settings.layout.root
    if not root.exists():
        parent = _nearest(root)
        if os.access(parent, os.W_OK):
            return Finding("state directory", FindingStatus.OK, f"{root} will be made")
        return Finding(
            "state directory", FindingStatus.FAIL, f"{parent} is not writable", "Choose another with --home."
        )
    if not os.access(root, os.W_OK | os.X_OK):
        advice = "Choose another with --home, or take it over with chown."
        return Finding("state directory", FindingStatus.FAIL, f"{root} is not writable", advice)
    for path in (root, settings.layout.token, settings.layout.registries):
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & _GROUP_OR_OTHERS:
            advice = f"chmod go-rwx {path}"
            return Finding("state directory", FindingStatus.WARN, f"Other users can read {path}", advice)
    return Finding("state directory", FindingStatus.OK, f"{root} is private to you")


def look_at_file_locks(settings: Settings) -> Finding:
    """Whether its file system has them."""
    folder = _nearest(settings.layout.root)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        message = f"Files in {folder} cannot be locked ({error.strerror}); processes are proven alive by locks"
        return Finding(
            "file locks", FindingStatus.FAIL, message, "Put the state directory on a local disk with --home."
        )
    return Finding("file locks", FindingStatus.OK, "The state directory's file system has locks")


def look_at_disk(settings: Settings) -> Finding:
    """Space for what is kept."""
    folder = _nearest(settings.layout.root)
    free = shutil.disk_usage(folder).free
    message = f"{free / GIB:.1f} GiB free at {folder}"
    if free >= _DISK_WARN_BYTES:
        return Finding("disk space", FindingStatus.OK, message)
    status = FindingStatus.WARN if free >= _DISK_FAIL_BYTES else FindingStatus.FAIL
    return Finding("disk space", status, message, "Free some space, or choose another disk with --home.")


def look_at_database(settings: Settings) -> Finding:
    """Which one there is."""
    if settings.database_url:
        return Finding(
            "database", FindingStatus.OK, f"{settings.database_url.partition(':')[0]} by MODELYARD_DATABASE_URL"
        )
    message = f"SQLite {sqlite3.sqlite_version} in the state directory"
    if sqlite3.sqlite_version_info >= _LEAST_SQLITE:
        return Finding("database", FindingStatus.OK, message)
    return Finding("database", FindingStatus.FAIL, f"{message} is too old", "Use a Python with SQLite 3.35 or newer.")


def _nearest(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())
