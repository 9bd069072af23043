"""Makes bundles out of bare artifacts, and compiles versions, in a sandbox: this process opens no model file itself."""

import shutil
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from modelyard.control.models.errors import InspectionFailedError, InspectionsBusyError, InspectionUnavailableError
from modelyard.engines.base import Engine, check_fence
from modelyard.engines.pythons import environment_mounts
from modelyard.errors import ModelyardError, TooLargeError
from modelyard.kit.ids import new_id
from modelyard.runtimes.base import ArtifactInvalidError
from modelyard.runtimes.foreign.images import pin, sidecar_of
from modelyard.runtimes.foreign.kinds import LOCK, REQUIREMENTS, needs_loopback, program_format
from modelyard.runtimes.foreign.needs import needed_gpus
from modelyard.runtimes.formats.skops import TypesUntrustedError
from modelyard.runtimes.sniff import ArtifactArchiveUnsafeError, PickleRefusedError
from modelyard.runtimes.targets.c_library import CompilerMissingError
from modelyard.runtimes.targets.source import TargetUnfitError
from modelyard.types.compilation import Target
from modelyard.types.models import ArtifactFormat
from modelyard.types.processes import EndCause, Mount, ProcessEnd, ProcessSpec, Resources, Sidecar

_LABELS = {"kind": "inspection"}
_AT_A_TIME = 2
_OUTPUT = "bundle"
_BUILD_SECONDS = 500.0
_MAXIMUM_REPORT_BYTES = 1 << 20
_PATIENCE_SECONDS = 60.0
_LAST_LINES = 3
_COMPILING_SHARE = 0.6
"""Of the time limit; the rest is for a model that is served as it came, after compiling took too long."""
_REFUSALS: dict[str, type[ModelyardError]] = {
    kind.code: kind
    for kind in (
        ArtifactInvalidError,
        TypesUntrustedError,
        PickleRefusedError,
        ArtifactArchiveUnsafeError,
        TooLargeError,
        TargetUnfitError,
        CompilerMissingError,
    )
}
_OF_THE_ARTIFACT = {EndCause.OUT_OF_MEMORY, EndCause.TIMEOUT, EndCause.DISK_LIMIT, EndCause.SIGNAL}


class Environments(Protocol):
    """What makes package environments for programs (control.environments)."""

    def lock(self, requirements: str) -> str:
        """Exact versions for a requirements file."""

    def ensure(self, lock: str) -> Path:
        """The interpreter of the environment of this lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A module to run, with what it may read and use; it writes into the folder that it is given as `--output`.

    `size_bytes` is that of what it works on: the disk that it may use follows from it.
    """

    module: str
    options: Sequence[str]
    reads: Sequence[Path]
    size_bytes: int
    time_limit_seconds: float
    has_loopback: bool = False
    gpus: float = 0.0
    sidecar: Sidecar | None = None


class ArtifactInspector:
    """Runs `modelyard.runtimes.inspect` and `.targets.build` through an engine. Safe from any thread; two at a time.

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
        compiling = self._time_limit_seconds * _COMPILING_SHARE
        task = _Task(
            module="modelyard.runtimes.inspect",
            options=(f"--artifact={artifact}", f"--name={name}", f"--compile-seconds={compiling:g}"),
            reads=(artifact,),
            size_bytes=artifact.stat().st_size,
            time_limit_seconds=self._time_limit_seconds,
        )
        with self._slot() as work:
            yield self._done(task, work)

    @contextmanager
    def inspected_program(self, files: Mapping[str, Path]) -> Iterator[Path]:
        """A folder with the bundle of a program, which is gone after the block. Runs the program, in the sandbox.

        Raises:
            ModelyardError: as `inspected`, or its environment cannot be made.
        """
        kind = program_format(files)
        if kind is not ArtifactFormat.IMAGE:
            check_fence(self._engine)
        with self._slot() as work:
            bundle = work / _OUTPUT
            for name, path in files.items():
                (bundle / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, bundle / name)
            if kind is ArtifactFormat.IMAGE:
                pin(bundle, self._engine.resolve_image)
            python = self._environment(bundle) if (bundle / REQUIREMENTS).is_file() else None
            gpus = needed_gpus(bundle)
            limits = Resources(memory_bytes=self._memory_bytes, gpus=gpus)
            task = _Task(
                module="modelyard.runtimes.foreign.inspect",
                options=(f"--python={python}",) if python else (),
                reads=tuple(Path(mount.path) for mount in environment_mounts(python)) if python else (),
                size_bytes=sum(path.stat().st_size for path in files.values()),
                time_limit_seconds=self._time_limit_seconds,
                has_loopback=needs_loopback(kind),
                gpus=gpus if kind is not ArtifactFormat.IMAGE else 0.0,
                sidecar=sidecar_of(bundle, limits) if kind is ArtifactFormat.IMAGE else None,
            )
            yield self._done(task, work)

    @contextmanager
    def compiled(self, bundle: Path, target: Target, tolerance: float) -> Iterator[Path]:
        """A folder with what the version in `bundle` is compiled to, which is gone after the block.

        Raises:
            TargetUnfitError: this model cannot be compiled to this target.
            CompilerMissingError: what compiles it is not installed.
            ArtifactInvalidError, InspectionFailedError, InspectionUnavailableError, InspectionsBusyError: as above.
        """
        task = _Task(
            module="modelyard.runtimes.targets.build",
            options=(f"--bundle={bundle}", f"--target={target}", f"--tolerance={tolerance}"),
            reads=(bundle,),
            size_bytes=sum(file.stat().st_size for file in bundle.rglob("*") if file.is_file()),
            time_limit_seconds=_BUILD_SECONDS,
        )
        with self._slot() as work:
            yield self._done(task, work)

    def _environment(self, bundle: Path) -> Path:
        """The interpreter for the program in `bundle`, whose lock is written if it brings none."""
        lock = bundle / LOCK
        if not lock.is_file():
            requirements = (bundle / REQUIREMENTS).read_text(encoding="utf-8", errors="replace")
            lock.write_text(self._environments.lock(requirements), encoding="utf-8")
        return self._environments.ensure(lock.read_text(encoding="utf-8", errors="replace"))

    @contextmanager
    def _slot(self) -> Iterator[Path]:
        """Leave to work, in a folder that is gone after the block like the process that worked there."""
        if not self._slots.acquire(timeout=_PATIENCE_SECONDS):
            raise InspectionsBusyError(f"{_AT_A_TIME} artifacts are being inspected already", hint="Try again later.")
        process_id = new_id("inspection")
        work = self._folder / process_id
        try:
            work.mkdir(parents=True)
            yield work
        finally:
            self._engine.remove(process_id)
            shutil.rmtree(work, ignore_errors=True)
            self._slots.release()

    def _done(self, task: _Task, work: Path) -> Path:
        """Run a task; the folder that it wrote, once it has ended well."""
        output = work / _OUTPUT
        output.mkdir(exist_ok=True)
        spec = ProcessSpec(
            command=(sys.executable, "-m", task.module, f"--output={output}", *task.options),
            environment={"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
            work_directory=str(work),
            mounts=tuple(Mount(path=str(path)) for path in task.reads),
            resources=Resources(
                memory_bytes=self._memory_bytes,
                time_limit_seconds=task.time_limit_seconds,
                disk_bytes=8 * task.size_bytes + (1 << 30),
                gpus=task.gpus,
            ),
            has_loopback=task.has_loopback,
            sidecar=task.sidecar,
            labels=_LABELS,
        )
        self._engine.submit(work.name, spec)
        end = self._engine.wait(work.name, task.time_limit_seconds + 30).end
        if end is None or end.cause is not EndCause.EXIT or end.exit_code != 0:
            raise _failure(output / "error.json", end)
        return output


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
