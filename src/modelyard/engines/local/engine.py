"""The engine of one machine: every process in a sandbox of its own, under a supervisor that outlives the caller."""

from collections.abc import Sequence
from typing import ClassVar

from modelyard.engines.base import SandboxTooWeakError
from modelyard.engines.local import remains
from modelyard.engines.local.records import Records
from modelyard.engines.local.sandbox import levels, planning
from modelyard.engines.local.supervised import SupervisedEngine
from modelyard.errors import InvalidInputError
from modelyard.settings import Home
from modelyard.types.processes import ProcessSpec, SandboxLevel


class LocalEngine(SupervisedEngine):
    """Sandboxed processes on this machine. Thread-safe; keeps its state in `<home>/run/processes` only.

    Args:
        home: the state directory.
        level: sandbox to use; None takes the strongest that works here.
        has_cgroups: False does without control groups even where there are some.
    """

    name = "local"
    launcher: ClassVar[Sequence[str]] = ("-I", "-S", "-c", planning.bootstrap("shim.main"))

    def __init__(self, home: Home, *, level: SandboxLevel | None = None, has_cgroups: bool = True) -> None:
        super().__init__(Records(home.processes))
        self._level = level
        self._has_cgroups = has_cgroups

    def submit(self, process_id: str, spec: ProcessSpec) -> None:
        """See `Engine.submit`.

        Raises:
            InvalidInputError: the work directory or a mount does not exist, the command is empty, or it needs an image.
            SandboxTooWeakError: it needs a loopback of its own, and this machine cannot give it one.
            SupervisorFailedError: nothing was started; try again.
        """
        if self._records.exists(process_id):
            return
        if spec.needs_containers:
            raise InvalidInputError(
                "The local engine runs no images", hint="Submit it to the engine of containers.", field="image"
            )
        if not spec.command or not spec.command[0]:
            raise InvalidInputError("The command is empty", hint="Name a program.", field="command")
        self._check(spec)
        level = self.sandbox_level()
        if spec.has_loopback and level is not SandboxLevel.BUBBLEWRAP:
            raise SandboxTooWeakError(
                f"at the sandbox level '{level}' a process has no loopback of its own, which this one needs",
                hint="`modelyard doctor` says what to do for a stronger one.",
            )
        plan = planning.make_plan(
            spec,
            folder=self._records.path(process_id),
            level=level,
            cgroup=self._cgroup_name(process_id) if self._has_cgroups else "",
            marker=(remains.MARKER, remains.marker(self._records, process_id)),
        )
        self._start(process_id, spec, level, plan)

    def sandbox_level(self) -> SandboxLevel:
        """See `Engine.sandbox_level`."""
        return self._level or levels.strongest_level()

    def _end_remains(self, process_id: str) -> None:
        remains.end_group(self._cgroup_name(process_id))
        remains.end_marked(remains.marker(self._records, process_id))
