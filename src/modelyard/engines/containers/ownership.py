"""Who a container's processes are, and how they may use the folders that they are given."""

import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from modelyard.engines.containers.gang import mounts_of
from modelyard.settings import Home
from modelyard.types.processes import ProcessSpec

_FIRST_OWN_USER, _OWN_USERS = 20_000, 40_000


def user_of(process_id: str) -> int:
    """The user id of a process: the platform's own, or, where that is root's, one that no other process has.

    No other as far as 40,000 ids go.
    """
    own = os.getuid()
    if own:
        return own
    digest = hashlib.sha256(process_id.encode()).digest()
    return _FIRST_OWN_USER + int.from_bytes(digest[:4], "big") % _OWN_USERS


def grant(spec: ProcessSpec, user: int, home: Home) -> None:
    """Let `user` use what it is given: writable folders become its own, and what it may read is opened to readers.

    Only root has to, and only inside the state directory and the folder of sockets, whose own doors stay shut to all
    others.
    """
    if os.getuid() != 0:
        return
    mounts = (*spec.mounts, *(spec.sidecar.mounts if spec.sidecar else ()), *mounts_of(spec.members))
    for folder in {spec.work_directory, *(mount.path for mount in mounts if mount.is_writable)}:
        for each in _tree(Path(folder)):
            os.chown(each, user, user, follow_symlinks=False)
    own = [folder.resolve() for folder in (home.root, home.sockets)]
    for mount in mounts:
        path = Path(mount.path).resolve()
        if not mount.is_writable and any(path.is_relative_to(folder) for folder in own):
            _open(_tree(path))


def _open(paths: Iterable[Path]) -> None:
    for path in paths:
        mode = path.lstat().st_mode
        wanted = 0o055 if stat.S_ISDIR(mode) or mode & 0o100 else 0o044
        if not stat.S_ISLNK(mode) and mode & wanted != wanted:
            path.chmod(stat.S_IMODE(mode) | wanted)


def _tree(root: Path) -> Iterable[Path]:
    yield root
    if root.is_dir() and not root.is_symlink():
        for folder, folders, files in os.walk(root):
            yield from (Path(folder, name) for name in (*folders, *files))
