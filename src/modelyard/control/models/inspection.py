"""Makes a complete bundle out of a bare artifact, in a sandbox: this process never opens a model file itself."""

import shutil
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import msgspec

from modelyard.control.models.errors import InspectionFailedError, InspectionsBusyError, InspectionUnavailableError
from modelyard.engines.base import Engine, check_fence
from modelyard.errors import ModelyardError, TooLargeError
from modelyard.kit.ids import new_id
from modelyard.runtimes.base import ArtifactInvalidError
from modelyard.runtimes.foreign.kinds import LOCK, REQUIREMENTS, needs_loopback, program_format
from modelyard.runtimes.formats.skops import TypesUntrustedError
from modelyard.runtimes.sniff import ArtifactArchiveUnsafeError, PickleRefusedError
from modelyard.types.processes import EndCause, Mount, ProcessEnd, ProcessSpec, Resources

_LABELS = {"kind": "inspection"}
_AT_A_TIME = 2
_MAXIMUM_REPORT_BYTES = 1 << 20
_PATIENCE_SECONDS = 60.0
_LAST_LINES = 3
_REFUSALS: dict[str, type[ModelyardError]] = {
    kind.code: kind
    for kind in (
        ArtifactInvalidError,
        TypesUntrustedError,
        PickleRefusedError,
        ArtifactArchiveUnsafeError,
        TooLargeError,
    )
}
_OF_THE_ARTIFACT = {EndCause.OUT_OF_MEMORY, EndCause.TIMEOUT, EndCause.DISK_LIMIT, EndCause.SIGNAL}


class Environments(Protocol):
    """What makes package environments for programs (control.environments)."""

    def lock(self, requirements: str) -> str:
        """Exact versions for a requirements file."""

    def ensure(self, lock: str) -> Path:
        """The interpreter of the environment of this lock."""


class ArtifactInspector:
    """Runs `modelyard.runtimes.inspect` through an engine. Safe from any thread; two inspections at a time.

    Args:
        engine: where it runs, without network.
        folder: for its work; made if absent, its content belongs to the inspector.
        environments: for programs that bring requirements.
        memory_bytes, time_limit_seconds: of one inspection.
    """

    def __init__(
        self,
        engine: Engine,
        folder: Path,
        environments: Environments,
        *,
        memory_bytes: int = 4 << 30,
        time_limit_seconds: float = 180.0,
    ) -> None:
        self._engine = engine
        self._environments = environments
        self._folder = folder
        self._memory_bytes = memory_bytes
        self._time_limit_seconds = time_limit_seconds
        self._slots = threading.BoundedSemaphore(_AT_A_TIME)

    def discard_leftovers(self) -> None:
        """End and forget what a killed process of ours left behind. Call once at the start."""
        for state in self._engine.list(_LABELS):
            self._engine.remove(state.id)
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def inspected(self, artifact: Path, name: str) -> Iterator[Path]:
        """A folder with the bundle, which is gone after the block. `name` is what people call the file.

        Raises:
            ArtifactInvalidError: the artifact is refused or damaged.
            TooLargeError: it is over a limit.
            InspectionFailedError: it used too much memory, time or disk, or crashed what read it.
            InspectionUnavailableError: the sandbox did not start or was ended from outside.
            InspectionsBusyError: too many at the same time.
        """
        with self._slot() as (process_id, work):
            output = work / "bundle"
            output.mkdir()
            options = (f"--artifact={artifact}", f"--output={output}", f"--name={name}")
            command = (sys.executable, "-m", "modelyard.runtimes.inspect", *options)
            self._run(process_id, command, work, output, artifact.stat().st_size, [artifact])
            yield output

    @contextmanager
    def inspected_program(self, files: Mapping[str, Path]) -> Iterator[Path]:
        """A folder with the bundle of a program, which is gone after the block. Runs the program, in the sandbox.

        Raises:
            ModelyardError: as `inspected`, or its environment cannot be made.
        """
        check_fence(self._engine)
        with self._slot() as (process_id, work):
            output = work / "bundle"
            for name, path in files.items():
                (output / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, output / name)
            command = [sys.executable, "-m", "modelyard.runtimes.foreign.inspect", f"--bundle={output}"]
            readable = []
            if (output / REQUIREMENTS).is_file():
                python = self._environment(output)
                command.append(f"--python={python}")
                readable.append(python.parent.parent)
            size = sum(path.stat().st_size for path in files.values())
            has_loopback = needs_loopback(program_format(files))
            self._run(process_id, tuple(command), work, output, size, readable, has_loopback=has_loopback)
            yield output

    def _environment(self, bundle: Path) -> Path:
        """The interpreter for the program in `bundle`, whose lock is written if it brings none."""
        lock = bundle / LOCK
        if not lock.is_file():
            requirements = (bundle / REQUIREMENTS).read_text(encoding="utf-8", errors="replace")
            lock.write_text(self._environments.lock(requirements), encoding="utf-8")
        return self._environments.ensure(lock.read_text(encoding="utf-8", errors="replace"))

    @contextmanager
    def _slot(self) -> Iterator[tuple[str, Path]]:
        """Leave to inspect: the id of the process and a folder to work in, both gone after the block."""
        if not self._slots.acquire(timeout=_PATIENCE_SECONDS):
            raise InspectionsBusyError(f"{_AT_A_TIME} artifacts are being inspected already", hint="Try again later.")
        process_id = new_id("inspection")
        work = self._folder / process_id
        try:
            work.mkdir(parents=True)
            yield process_id, work
        finally:
            self._engine.remove(process_id)
            shutil.rmtree(work, ignore_errors=True)
            self._slots.release()

    def _run(
        self,
        process_id: str,
        command: tuple[str, ...],
        work: Path,
        output: Path,
        size_bytes: int,
        readable: Sequence[Path],
        *,
        has_loopback: bool = False,
    ) -> None:
        spec = ProcessSpec(
            command=command,
            environment={"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
            work_directory=str(work),
            mounts=tuple(Mount(path=str(path)) for path in readable),
            resources=Resources(
                memory_bytes=self._memory_bytes,
                time_limit_seconds=self._time_limit_seconds,
                disk_bytes=8 * size_bytes + (1 << 30),
            ),
            has_loopback=has_loopback,
            labels=_LABELS,
        )
        self._engine.submit(process_id, spec)
        end = self._engine.wait(process_id, self._time_limit_seconds + 30).end
        if end is None or end.cause is not EndCause.EXIT or end.exit_code != 0:
            raise _failure(output / "error.json", end)


def _failure(report: Path, end: ProcessEnd | None) -> ModelyardError:
    """The error that the inspection wrote, or one that says how it ended."""
    found = _read_report(report)
    if found and end is not None and end.cause is EndCause.EXIT:
        kind = _REFUSALS.get(found.get("code", ""), InspectionFailedError)
        return kind(found.get("message", ""), hint=found.get("hint", ""), field="files")
    if end is not None and end.cause in _OF_THE_ARTIFACT | {EndCause.EXIT}:
        output = [line.strip() for line in end.log_tail.splitlines() if line.strip()][-_LAST_LINES:]
        return InspectionFailedError(
            f"inspecting the artifact did not end well: {end.message}"
            + (f" Its last output: {' | '.join(output)}" if output else ""),
            hint="If the file loads where it was made, register a whole bundle with its manifest.",
            field="files",
        )
    reason = end.message if end is not None else "it did not end in time"
    return InspectionUnavailableError(f"the artifact could not be inspected: {reason}", hint="Try again.")


def _read_report(path: Path) -> dict[str, str]:
    """What the inspection says about its failure; empty if it says nothing that can be read."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _MAXIMUM_REPORT_BYTES:
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}
