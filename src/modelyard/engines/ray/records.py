"""What was submitted to a cluster and how it ended: folders in the state directory, which every node sees.

<folder>/<id>/record.json      what was asked for
<folder>/<id>/hosted           the cluster was asked for a host of it
<folder>/<id>/running.json     where it runs
<folder>/<id>/door             host:port of its door
<folder>/<id>/relay            host:port of its relay, if it is a member of a gang
<folder>/<id>/end.json         the account of its end, written once
<folder>/<id>/run/processes/   the local engine's records of the node that runs it: its output is there
"""

import contextlib
import os
import shutil
import time
from datetime import datetime
from pathlib import Path

import msgspec

from modelyard.engines.base import ProcessNotFoundError
from modelyard.engines.local import layout, output_files
from modelyard.engines.local.records import usage_of
from modelyard.engines.records import process_folder, process_ids
from modelyard.kit.files import write_atomic
from modelyard.settings import Home
from modelyard.types.processes import LogChunk, ProcessEnd, ProcessSpec, ProcessUsage, SandboxLevel

_RECORD, _HOSTED, _RUNNING, _DOOR, _RELAY = "record.json", "hosted", "running.json", "door", "relay"
_END = "end.json"
_NEW, _REMOVED = ".new-", ".removed-"
_NEW_FOLDER_LIFE_SECONDS = 300.0


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for; never changed.

    Attributes:
        spec: the process.
        sandbox: the level at which every node runs it.
        key: what callers of its door have to know.
        created_at: when.
    """

    spec: ProcessSpec
    sandbox: SandboxLevel
    key: str
    created_at: datetime


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """Where and since when a process runs.

    Attributes:
        pid: on its node.
        started_at: when.
        node: Ray's id of its node.
        clock_ahead: see ProcessState.clock_ahead_seconds; CLOCK_MONOTONIC less the time of day, there.
    """

    pid: int
    started_at: datetime
    node: str
    clock_ahead: float


class Records:
    """Folders of one state directory. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, Record] = {}

    def home(self, process_id: str) -> Home:
        """The folder of a process, as the state directory of the engine that runs it on its node.

        Raises:
            ProcessIdInvalidError: the id cannot be a folder's name.
        """
        return Home(process_folder(self.folder, process_id))

    def exists(self, process_id: str) -> bool:
        """Whether there is a record."""
        return (self.home(process_id).root / _RECORD).exists()

    def ids(self) -> list[str]:
        """All processes with a record."""
        return process_ids(self.folder)

    def create(self, process_id: str, record: Record) -> bool:
        """Write a record; False if there is one already."""
        target = self.home(process_id).root
        folder = self.folder / f"{_NEW}{os.urandom(8).hex()}"
        folder.mkdir(mode=0o700, parents=True)
        try:
            write_atomic(folder / _RECORD, msgspec.json.encode(record), mode=0o600)
            folder.rename(target)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            if not target.exists():
                raise
            return False
        return True

    def record(self, process_id: str) -> Record:
        """What was submitted.

        Raises:
            ProcessNotFoundError: nothing, or it was removed.
        """
        path = self.home(process_id).root / _RECORD
        try:
            if process_id in self._known and path.exists():
                return self._known[process_id]
            found = self._known[process_id] = msgspec.json.decode(path.read_bytes(), type=Record)
        except FileNotFoundError:
            self._known.pop(process_id, None)
            raise ProcessNotFoundError(
                f"There is no process '{process_id}'", hint="It was never submitted here, or was removed."
            ) from None
        return found

    def note_hosted(self, process_id: str) -> None:
        """The cluster was asked for a host: from now on, none means that it is gone."""
        with contextlib.suppress(FileNotFoundError):
            (self.home(process_id).root / _HOSTED).touch()

    def is_hosted(self, process_id: str) -> bool:
        """Whether the cluster was asked for a host, or whoever was about to ask has had the time."""
        folder = self.home(process_id).root
        with contextlib.suppress(FileNotFoundError):
            return (folder / _HOSTED).exists() or time.time() - folder.stat().st_mtime > _NEW_FOLDER_LIFE_SECONDS
        return True

    def note_running(self, process_id: str, running: Running) -> None:
        """Where it runs, for those who come later."""
        write_atomic(self.home(process_id).root / _RUNNING, msgspec.json.encode(running), mode=0o600)

    def running(self, process_id: str) -> Running | None:
        """Where it runs, or ran; None: not yet."""
        try:
            return msgspec.json.decode((self.home(process_id).root / _RUNNING).read_bytes(), type=Running)
        except FileNotFoundError:
            return None

    def note_door(self, process_id: str, address: str) -> None:
        """Where its door is, for those who come later."""
        write_atomic(self.home(process_id).root / _DOOR, address.encode(), mode=0o600)

    def door(self, process_id: str) -> str:
        """host:port of its door; empty if it has none, or not yet."""
        with contextlib.suppress(FileNotFoundError):
            return (self.home(process_id).root / _DOOR).read_text()
        return ""

    def note_relay(self, process_id: str, address: str) -> None:
        """Where the other members of its gang find its relay."""
        write_atomic(self.home(process_id).root / _RELAY, address.encode(), mode=0o600)

    def relay(self, process_id: str) -> str:
        """host:port of its relay; empty: not yet."""
        with contextlib.suppress(FileNotFoundError):
            return (self.home(process_id).root / _RELAY).read_text()
        return ""

    def end(self, process_id: str) -> ProcessEnd | None:
        """The account of the end, if there is one."""
        try:
            return msgspec.json.decode((self.home(process_id).root / _END).read_bytes(), type=ProcessEnd)
        except FileNotFoundError:
            return None

    def settle(self, process_id: str, end: ProcessEnd) -> None:
        """Write the account of an end. The first writer wins, on whichever machine."""
        folder = self.home(process_id).root
        temporary = folder / f".{_END}.{os.urandom(4).hex()}"
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            write_atomic(temporary, msgspec.json.encode(end), mode=0o600)
            os.link(temporary, folder / _END)
        temporary.unlink(missing_ok=True)

    def own_account(self, process_id: str) -> ProcessEnd | None:
        """What the supervisor on the process's node wrote when everything of it had ended."""
        try:
            return msgspec.json.decode((self._local(process_id) / layout.END).read_bytes(), type=ProcessEnd)
        except FileNotFoundError:
            return None

    def usage(self, process_id: str, end: ProcessEnd | None) -> ProcessUsage | None:
        """What it has used, by the account of its end or else by its node's supervisor; None: nobody measured it."""
        used = usage_of(end)
        if used is None:
            with contextlib.suppress(FileNotFoundError):
                used = msgspec.json.decode((self._local(process_id) / layout.USAGE).read_bytes(), type=ProcessUsage)
        return used

    def is_begun(self, process_id: str) -> bool:
        """Whether a node has begun to run it."""
        return self._local(process_id).exists()

    def tail(self, process_id: str) -> str:
        """The last lines of its output."""
        return output_files.tail(self._local(process_id) / layout.LOG)

    def logs(self, process_id: str, offset: int, limit: int, *, is_complete: bool) -> LogChunk:
        """Its output."""
        return output_files.read(self._local(process_id) / layout.LOG, offset, limit, is_complete=is_complete)

    def delete(self, process_id: str) -> None:
        """Forget a process at once."""
        self._known.pop(process_id, None)
        gone = self.folder / f"{_REMOVED}{os.urandom(8).hex()}"
        with contextlib.suppress(FileNotFoundError):
            self.home(process_id).root.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)

    def sweep(self) -> None:
        """Delete the remains of interrupted submissions and removals."""
        with contextlib.suppress(FileNotFoundError):
            for path in list(self.folder.iterdir()):
                age = time.time() - path.stat().st_mtime
                if path.name.startswith(_REMOVED) or (path.name.startswith(_NEW) and age > _NEW_FOLDER_LIFE_SECONDS):
                    shutil.rmtree(path, ignore_errors=True)

    def _local(self, process_id: str) -> Path:
        return self.home(process_id).processes / process_id
