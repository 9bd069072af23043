"""Finds and ends what lives without a record: supervisors, control groups, processes of killed supervisors."""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from modelyard.engines.base import ProcessNotFoundError
from modelyard.engines.local import cgroups, layout, tree
from modelyard.engines.local.records import Records
from modelyard.engines.records import ProcessIdInvalidError

_LEAVING_SECONDS = 0.5
MARKER = "MODELYARD_PROCESS"  # environment variable that tells whose process this is


def marker(records: Records, process_id: str) -> str:
    """Value of the marker in the environment of a process of this home."""
    return f"{records.home_digest}/{process_id}"


def discard(folder: Path) -> None:
    """Delete a new folder that no supervisor took."""
    shutil.rmtree(folder, ignore_errors=True)


def end_group(name: str) -> bool:
    """End and delete the control groups `name`; whether there were any."""
    group = cgroups.existing(name).get(name)
    if group is None:
        return False
    group.kill()
    group.remove()
    return True


def end_marked(value: str) -> list[int]:
    """SIGKILL to every process that carries this marker; the pids.

    Only the last resort: bubblewrap's processes die with their supervisor and control groups are ended as a whole, but
    with neither of them an orphan is known by nothing else.
    """
    ended = []
    for pid, environment in _environments():
        if f"{MARKER}={value}".encode() in environment:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
                ended.append(pid)
    return ended


def end_strange_supervisors(records: Records) -> list[str]:
    """End supervisors of this home that hold no record's lock, and all below them; what was ended, in words."""
    strange = {pid: name for pid, name in _supervisors(records) if not _holds(records, name, pid)}
    if not strange:
        return []
    time.sleep(_LEAVING_SECONDS)  # one whose process was removed this moment is about to end by itself
    ended = []
    for pid, process_id in _supervisors(records):
        if pid not in strange or _holds(records, process_id, pid):
            continue
        tree.kill_descendants(pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            ended.append(f"supervisor {pid} of '{process_id}', which has no record")
    return ended


def end_strange_groups(records: Records, prefix: str) -> list[str]:
    """End control groups of this home whose process is not alive; what was ended, in words."""
    ended = []
    for name, group in cgroups.existing(prefix).items():
        process_id = name.removeprefix(prefix)
        if not _is_alive(records, process_id):
            count = len(group.pids())
            group.kill()
            group.remove()
            if count:
                ended.append(f"{count} processes left by '{process_id}'")
    return ended


def _supervisors(records: Records) -> Iterator[tuple[int, str]]:
    """(pid, process id) of the running supervisors of this home."""
    prefix = os.fsencode(records.folder / layout.NEW_PREFIX)
    for name in _pids():
        with contextlib.suppress(OSError):
            arguments = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
            if len(arguments) > 5 and b"shim.main" in arguments[4] and arguments[5].startswith(prefix):  # noqa: PLR2004
                folder = Path(str(Path(f"/proc/{name}/cwd").readlink()).removesuffix(" (deleted)"))
                if folder.parent == records.folder:  # else it has no record yet and is about to take one
                    yield int(name), folder.name


def _holds(records: Records, process_id: str, pid: int) -> bool:
    try:
        return records.holder(process_id) == pid
    except (ProcessNotFoundError, ProcessIdInvalidError):  # removed: its folder waits for its deletion, renamed
        return False


def _is_alive(records: Records, process_id: str) -> bool:
    try:
        return records.holder(process_id) is not None
    except ProcessNotFoundError:
        return False


def _environments() -> Iterator[tuple[int, list[bytes]]]:
    for name in _pids():
        with contextlib.suppress(OSError):
            yield int(name), Path(f"/proc/{name}/environ").read_bytes().split(b"\0")


def _pids() -> list[str]:
    return [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]
