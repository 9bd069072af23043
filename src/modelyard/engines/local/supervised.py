"""What engines share whose processes have a record in a folder and a supervisor that outlives the caller."""

import contextlib
import os
import select
import subprocess
import sys
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from modelyard.engines.base import Engine, ProcessNotFoundError
from modelyard.engines.local import layout, output_files, remains
from modelyard.engines.local.records import Record, Records
from modelyard.engines.local.shim.main import ALREADY_THERE, STARTED
from modelyard.engines.machines import Gpu
from modelyard.engines.records import labelled
from modelyard.errors import UnavailableError
from modelyard.types.debugging.profiles import ProcessSample
from modelyard.types.processes import LogChunk, ProcessSpec, ProcessState, SandboxLevel

_START_LIMIT_SECONDS = 60.0
_POLL_SECONDS = 0.05
_REMOVE_LIMIT_SECONDS = 30.0
_LEAVE_LIMIT_SECONDS = 5.0
_DECODER = msgspec.json.Decoder(ProcessSample)


class SupervisorFailedError(UnavailableError):
    """The supervisor of a new process did not come up; nothing was started."""

    code = "supervisor_failed"


class SupervisedEngine(Engine):
    """All but the start and the last resort. Thread-safe; keeps its state in the folder of records only.

    Args:
        records: of this engine's processes.
    """

    launcher: ClassVar[Sequence[str]]
    """Python's arguments that start a supervisor; the new folder follows them."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def knows(self, process_id: str) -> bool:
        """See `Engine.knows`."""
        return self._records.exists(process_id)

    def state(self, process_id: str) -> ProcessState:
        """See `Engine.state`."""
        state = self._records.state(process_id)
        if state.is_alive or state.end is not None:
            return state
        self._end_remains(process_id)
        self._records.settle_lost(process_id)
        return self._records.state(process_id)

    def list(self, labels: Mapping[str, str] | None = None) -> Sequence[ProcessState]:
        """See `Engine.list`."""
        states = []
        for process_id in labelled(self._records, labels):
            with contextlib.suppress(ProcessNotFoundError):
                states.append(self.state(process_id))
        return states

    def stop(self, process_id: str, *, grace_seconds: float = 5.0, is_preemption: bool = False) -> None:
        """See `Engine.stop`."""
        if self.state(process_id).is_alive:
            self._records.ask_to_stop(process_id, grace_seconds=grace_seconds, is_preemption=is_preemption)

    def wait(self, process_id: str, timeout_seconds: float) -> ProcessState:
        """See `Engine.wait`."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            state = self.state(process_id)
            remaining = deadline - time.monotonic()
            if not state.is_alive or remaining <= 0:
                return state
            self._wait_for_supervisor(process_id, remaining)

    def logs(self, process_id: str, offset: int = 0, limit: int = 1 << 20) -> LogChunk:
        """See `Engine.logs`. The newest 48 MiB at least are kept; an older offset answers from the oldest byte kept."""
        is_complete = not self.state(process_id).is_alive
        folder = self._records.path(process_id) / layout.LOG
        return output_files.read(folder, offset, limit, is_complete=is_complete)

    def samples(self, process_id: str) -> Sequence[ProcessSample]:
        """See `Engine.samples`."""
        self._records.state(process_id)
        return read_samples(self._records.path(process_id) / layout.PROFILE)

    def remove(self, process_id: str) -> None:
        """See `Engine.remove`."""
        with contextlib.suppress(ProcessNotFoundError):  # somebody else may remove it at the same time
            self.stop(process_id, grace_seconds=0)
            self.wait(process_id, _REMOVE_LIMIT_SECONDS)
            # The account of the end is the supervisor's last act but one.
            self._wait_for_supervisor(process_id, _LEAVE_LIMIT_SECONDS)
        self._records.delete(process_id)

    def reap(self) -> Sequence[str]:
        """See `Engine.reap`."""
        ended = remains.end_strange_supervisors(self._records)
        for process_id in self._records.ids():
            with contextlib.suppress(ProcessNotFoundError):
                self.state(process_id)  # settles it if it was lost
        ended += remains.end_strange_groups(self._records, self._cgroup_name(""))
        self._records.sweep()
        return ended

    @abstractmethod
    def _end_remains(self, process_id: str) -> None:
        """End what a killed supervisor may have left alive."""

    def _start(
        self,
        process_id: str,
        spec: ProcessSpec,
        sandbox: SandboxLevel,
        plan: Mapping[str, Any],
        gpus: Sequence[Gpu] = (),
    ) -> None:
        """Give a process its record and its supervisor.

        Raises:
            SupervisorFailedError: nothing was started; try again.
        """
        held = tuple(gpu.id for gpu in gpus)
        record = Record(spec=spec, sandbox=sandbox, created_at=datetime.now(UTC), gpus=held)
        try:
            folder = self._records.prepare(record, plan)
        except OSError as error:
            raise SupervisorFailedError(
                f"The record of process '{process_id}' could not be written: {error.strerror}",
                hint="See `modelyard doctor` for the state directory and its disk.",
            ) from error
        try:
            self._launch(folder)
        finally:
            remains.discard(folder)  # only there still if the supervisor did not take it

    def _launch(self, folder: Path) -> None:
        """Start the supervisor; returns once it has the lock and the record."""
        try:
            code = self._run_launcher(folder)
            words = (folder / layout.SHIM_LOG).read_text(errors="replace").strip()[-500:] if code else ""
        except subprocess.TimeoutExpired:
            code, words = None, f"it took longer than {_START_LIMIT_SECONDS:g} s"
        except FileNotFoundError:  # the folder has its final name already: the supervisor took it and went on
            code, words = STARTED, ""
        if code not in (STARTED, ALREADY_THERE):
            raise SupervisorFailedError(f"The process's supervisor did not start: {words or code}", hint="Try again.")

    def _run_launcher(self, folder: Path) -> int:
        with (folder / layout.SHIM_LOG).open("wb") as errors:
            return subprocess.run(
                [sys.executable, *self.launcher, str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                env={"PATH": os.defpath, "LANG": "C.UTF-8"},
                cwd="/",
                start_new_session=True,
                timeout=_START_LIMIT_SECONDS,
                check=False,
            ).returncode

    def _wait_for_supervisor(self, process_id: str, timeout_seconds: float) -> None:
        """Sleep until the supervisor is gone or the time is over."""
        pid = self._records.holder(process_id)
        if pid is None:
            return
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:  # gone, or a kernel without it
            time.sleep(min(_POLL_SECONDS, timeout_seconds))
            return
        try:
            if self._records.holder(process_id) == pid:
                poll = select.poll()
                poll.register(descriptor, select.POLLIN)
                poll.poll(timeout_seconds * 1000 + 1)
        finally:
            os.close(descriptor)

    def _cgroup_name(self, process_id: str) -> str:
        return f"modelyard-{self._records.home_digest}-{process_id}"


def read_samples(file: Path) -> Sequence[ProcessSample]:
    """The whole lines of a profile; nothing while there is none."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return []
    return _DECODER.decode_lines(content[: content.rfind(b"\n") + 1])
