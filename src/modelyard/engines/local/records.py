"""The records of one home's processes: folders under `run/processes`, read and written from any control process."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from modelyard.engines.base import ProcessNotFoundError
from modelyard.engines.local import layout, output_files
from modelyard.engines.records import process_folder, process_ids
from modelyard.kit.files import write_atomic
from modelyard.types.processes import (
    EndCause,
    ProcessEnd,
    ProcessSpec,
    ProcessState,
    ProcessStatus,
    ProcessUsage,
    SandboxLevel,
)

_NEW_FOLDER_LIFE_SECONDS = 300.0


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for and how it is run, with which accelerators; written before the start, never changed."""

    spec: ProcessSpec
    sandbox: SandboxLevel
    created_at: datetime
    gpus: tuple[str, ...] = ()


class Running(msgspec.Struct, frozen=True):
    """The command was executed. `pid` is None where it ended at once, or runs on another machine."""

    pid: int | None
    started_at: datetime


class Records:
    """Process folders of one home. Thread-safe: keeps no state but the path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home_digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]

    def path(self, process_id: str) -> Path:
        """The folder of a process.

        Raises:
            ProcessIdInvalidError: the id cannot be a folder's name.
        """
        return process_folder(self.folder, process_id)

    def exists(self, process_id: str) -> bool:
        """Whether there is a record."""
        return (self.path(process_id) / layout.SPEC).exists()

    def ids(self) -> list[str]:
        """All processes with a record."""
        return process_ids(self.folder)

    def record(self, process_id: str) -> Record:
        """What was submitted.

        Raises:
            ProcessNotFoundError: nothing, or it was removed.
        """
        try:
            return msgspec.json.decode((self.path(process_id) / layout.SPEC).read_bytes(), type=Record)
        except FileNotFoundError:
            raise _unknown(process_id) from None

    def prepare(self, record: Record, plan: Mapping[str, Any]) -> Path:
        """A complete new folder under a temporary name; the supervisor gives it its own."""
        folder = self.folder / f"{layout.NEW_PREFIX}{os.urandom(8).hex()}"
        folder.mkdir(mode=0o700, parents=True)
        for name in (layout.LOG, layout.TEMPORARY):
            (folder / name).mkdir(mode=0o700)
        os.mkfifo(folder / layout.DOORBELL, 0o600)
        write_atomic(folder / layout.PLAN, msgspec.json.encode(plan), mode=0o600)
        write_atomic(folder / layout.SPEC, msgspec.json.encode(record), mode=0o600)
        return folder

    def holder(self, process_id: str) -> int | None:
        """Pid of the living supervisor of a process, or None.

        Raises:
            ProcessNotFoundError: never submitted, or removed.
        """
        try:
            return layout.lock_holder(str(self.path(process_id) / layout.LOCK))
        except FileNotFoundError:
            raise _unknown(process_id) from None

    def state(self, process_id: str) -> ProcessState:
        """What is true now; `end` is None for a process that is gone without an account (the engine settles that).

        Raises:
            ProcessNotFoundError: never submitted, or removed.
        """
        record = self.record(process_id)
        # In this order: the account is written before the lock is released, so none after a free lock means lost.
        is_alive = self.holder(process_id) is not None
        end = self._read(process_id, layout.END, ProcessEnd)
        running = self._read(process_id, layout.RUNNING, Running)
        alive_status = ProcessStatus.STARTING if running is None else ProcessStatus.RUNNING
        return ProcessState(
            id=process_id,
            status=alive_status if is_alive and end is None else ProcessStatus.ENDED,
            sandbox=record.sandbox,
            labels=record.spec.labels,
            pid=running.pid if running else None,
            started_at=running.started_at if running else None,
            end=end,
            usage=usage_of(end) or self._read(process_id, layout.USAGE, ProcessUsage),
        )

    def settle_lost(self, process_id: str) -> None:
        """Write the account of an end that nobody accounted for. The first writer wins."""
        folder = self.path(process_id)
        tail = output_files.tail(folder / layout.LOG)
        end = ProcessEnd(
            cause=EndCause.LOST,
            message="It is gone and left no account of its end: its supervisor or the machine was killed.",
            log_tail=tail,
            ended_at=datetime.now(UTC),
        )
        temporary = folder / f".{layout.END}.{os.urandom(4).hex()}"
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            write_atomic(temporary, msgspec.json.encode(end), mode=0o600)
            os.link(temporary, folder / layout.END)
        temporary.unlink(missing_ok=True)

    def ask_to_stop(self, process_id: str, *, grace_seconds: float, is_preemption: bool) -> None:
        """Leave the request and ring; a second request may only shorten the grace."""
        folder = self.path(process_id)
        request = {"grace_seconds": grace_seconds, "is_preemption": is_preemption}
        with contextlib.suppress(FileNotFoundError):
            write_atomic(folder / layout.STOP, msgspec.json.encode(request), mode=0o600)
            # ENXIO: nobody listens, so the supervisor is gone and there is nothing to stop.
            with contextlib.suppress(OSError):
                doorbell = os.open(folder / layout.DOORBELL, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                try:
                    os.write(doorbell, b"!")
                finally:
                    os.close(doorbell)

    def delete(self, process_id: str) -> None:
        """Forget a process at once; what is left on disk goes with the next sweep if this is interrupted."""
        gone = self.folder / f"{layout.REMOVED_PREFIX}{os.urandom(8).hex()}"
        try:
            self.path(process_id).rename(gone)
        except FileNotFoundError:
            return
        shutil.rmtree(gone, ignore_errors=True)

    def sweep(self) -> None:
        """Delete the remains of interrupted submissions and removals."""
        with contextlib.suppress(FileNotFoundError):
            for path in list(self.folder.iterdir()):
                is_new, is_removed = (path.name.startswith(p) for p in (layout.NEW_PREFIX, layout.REMOVED_PREFIX))
                if is_removed or (is_new and _is_dead(path)):
                    shutil.rmtree(path, ignore_errors=True)

    def _read(self, process_id: str, name: str, kind: type[Any]) -> Any:
        try:
            return msgspec.json.decode((self.path(process_id) / name).read_bytes(), type=kind)
        except FileNotFoundError:
            return None


def usage_of(end: ProcessEnd | None) -> ProcessUsage | None:
    """What the account of the end says; None if nobody was there to count."""
    if end is None or end.cpu_seconds is None:
        return None
    return ProcessUsage(cpu_seconds=end.cpu_seconds, memory_byte_seconds=end.memory_byte_seconds or 0)


def _is_dead(folder: Path) -> bool:
    """Whether a new folder's submission was interrupted long enough ago."""
    with contextlib.suppress(FileNotFoundError):
        age = datetime.now(UTC).timestamp() - folder.stat().st_mtime
        return age > _NEW_FOLDER_LIFE_SECONDS
    return False


def _unknown(process_id: str) -> ProcessNotFoundError:
    return ProcessNotFoundError(
        f"There is no process '{process_id}'", hint="It was never submitted on this machine, or was removed."
    )
