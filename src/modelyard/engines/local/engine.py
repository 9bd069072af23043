"""The engine of one machine: every process in a sandbox of its own, under a supervisor that outlives the caller."""

from collections.abc import Sequence
from typing import ClassVar

from modelyard.engines.checking import check_alone, check_imageless, check_loopback, check_placed, check_spec
from modelyard.engines.local import remains
from modelyard.engines.local.accelerators import GpuPool
from modelyard.engines.local.records import Records
from modelyard.engines.local.sandbox import levels, planning
from modelyard.engines.local.supervised import SupervisedEngine
from modelyard.engines.machines import Gpu
from modelyard.settings import Home
from modelyard.types.compute.nodes import Node
from modelyard.types.processes import ProcessSpec, SandboxLevel


class LocalEngine(SupervisedEngine):
    """Sandboxed processes on this machine. Thread-safe; keeps its state in `<home>/run/processes` only.

    Args:
        home: the state directory.
        level: sandbox to use; None takes the strongest that works here.
        has_cgroups: False does without control groups even where there are some.
        owner_pid: a process with whose end everything ends that this object has started, as LOST; None: nothing does.
        gpus: accelerators to hand out; None: all of this machine.
    """

    name = "local"
    launcher: ClassVar[Sequence[str]] = ("-I", "-S", "-c", planning.bootstrap("shim.main"))

    def __init__(
        self,
        home: Home,
        *,
        level: SandboxLevel | None = None,
        has_cgroups: bool = True,
        owner_pid: int | None = None,
        gpus: Sequence[Gpu] | None = None,
    ) -> None:
        super().__init__(Records(home.processes))
        self._pool = GpuPool(home, gpus)
        self._level = level
        self._has_cgroups = has_cgroups
        self._owner_pid = owner_pid

    def submit(self, process_id: str, spec: ProcessSpec) -> None:
        """See `Engine.submit`.

        Raises:
            InvalidInputError: the work directory or a mount does not exist, the command is empty, or it needs an image
                or other machines.
            SandboxTooWeakError: it needs a loopback of its own, and this machine cannot give it one.
            NoSuchNodeError: this machine does not have what it asks for.
            GpusBusyError: others have the accelerators that it asks for.
            SupervisorFailedError: nothing was started; try again.
        """
        if self._records.exists(process_id):
            return
        check_imageless(spec, self.name)
        check_alone(spec, self.name)
        check_spec(spec, self._records.folder)
        check_placed(spec, self._pool.machine)
        level = self.sandbox_level()
        check_loopback(spec, level)
        with self._pool.lend(spec) as gpus:
            plan = planning.make_plan(
                spec,
                folder=self._records.path(process_id),
                level=level,
                cgroup=self._cgroup_name(process_id) if self._has_cgroups else "",
                marker=(remains.MARKER, remains.marker(self._records, process_id)),
                owner_pid=self._owner_pid,
                gpus=gpus,
            )
            self._start(process_id, spec, level, plan, gpus)

    def sandbox_level(self) -> SandboxLevel:
        """See `Engine.sandbox_level`."""
        return self._level or levels.strongest_level()

    def nodes(self) -> Sequence[Node]:
        """See `Engine.nodes`."""
        return [self._pool.node()]

    def _end_remains(self, process_id: str) -> None:
        remains.end_group(self._cgroup_name(process_id))
        remains.end_marked(remains.marker(self._records, process_id))
