"""One engine out of several: each process goes where it asks to be, or where the settings say."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain

from modelyard.engines.base import Engine
from modelyard.engines.containers.engine import ContainerEngine
from modelyard.engines.local.engine import LocalEngine
from modelyard.engines.machines import NO_GPUS, find_gpus
from modelyard.errors import InvalidInputError
from modelyard.settings import Settings
from modelyard.types.compute.nodes import Node
from modelyard.types.debugging.profiles import ProcessSample
from modelyard.types.processes import EngineKind, LogChunk, ProcessSpec, ProcessState, SandboxLevel


class ChosenEngine(Engine):
    """Local processes, containers and those of a cluster under one contract. As thread-safe as its parts.

    Args:
        engines: by kind. An id is looked for in each, in this order.
        default: for processes that do not say.
    """

    name = "chosen"

    def __init__(self, engines: Mapping[EngineKind, Engine], default: EngineKind = EngineKind.LOCAL) -> None:
        self._engines = engines
        self._default = default
        self.has_nodes = engines[default].has_nodes

    def submit(self, process_id: str, spec: ProcessSpec) -> None:
        """See `Engine.submit`, and the engine that it goes to.

        Raises:
            InvalidInputError: the platform does not have the engine that it asks for.
        """
        if self._holder(process_id) is not None:
            return
        kind = self.kind_for(spec)
        if kind not in self._engines:
            raise InvalidInputError(
                f"This platform has no engine '{kind}'",
                hint=f"Start it with the setting engine={kind}, or ask for one of: {', '.join(self._engines)}.",
                field="engine",
            )
        if kind is not self._default:  # the machine was chosen among those of the default engine
            spec = replace(spec, node="", node_memory_bytes=None)
        self._engines[kind].submit(process_id, spec)

    def kind_for(self, spec: ProcessSpec) -> EngineKind:
        """Where a process goes."""
        return EngineKind.CONTAINER if spec.needs_containers else spec.engine or self._default

    def state(self, process_id: str) -> ProcessState:
        """See `Engine.state`."""
        return self._engine_of(process_id).state(process_id)

    def list(self, labels: Mapping[str, str] | None = None) -> Sequence[ProcessState]:
        """See `Engine.list`; oldest first in each engine."""
        return [*chain.from_iterable(engine.list(labels) for engine in self._engines.values())]

    def stop(self, process_id: str, *, grace_seconds: float = 5.0, is_preemption: bool = False) -> None:
        """See `Engine.stop`."""
        self._engine_of(process_id).stop(process_id, grace_seconds=grace_seconds, is_preemption=is_preemption)

    def wait(self, process_id: str, timeout_seconds: float) -> ProcessState:
        """See `Engine.wait`."""
        return self._engine_of(process_id).wait(process_id, timeout_seconds)

    def logs(self, process_id: str, offset: int = 0, limit: int = 1 << 20) -> LogChunk:
        """See `Engine.logs`."""
        return self._engine_of(process_id).logs(process_id, offset, limit)

    def samples(self, process_id: str) -> Sequence[ProcessSample]:
        """See `Engine.samples`."""
        return self._engine_of(process_id).samples(process_id)

    def remove(self, process_id: str) -> None:
        """See `Engine.remove`."""
        for engine in self._engines.values():
            engine.remove(process_id)

    def reap(self) -> Sequence[str]:
        """See `Engine.reap`."""
        return [*chain.from_iterable(engine.reap() for engine in self._engines.values())]

    def sandbox_level(self) -> SandboxLevel:
        """The level of a process that does not say where it runs."""
        return self._engines[self._default].sandbox_level()

    def nodes(self) -> Sequence[Node]:
        """Those of the engine of processes that do not say."""
        return self._engines[self._default].nodes()

    def drain(self, node: str) -> bool:
        """See `Engine.drain`; of those."""
        return self._engines[self._default].drain(node)

    def preparing(self, process_id: str) -> str:
        """See `Engine.preparing`."""
        return next((words for engine in self._engines.values() if (words := engine.preparing(process_id))), "")

    def resolve_image(self, reference: str) -> str:
        """See `Engine.resolve_image`."""
        return self._engines[EngineKind.CONTAINER].resolve_image(reference)

    def _engine_of(self, process_id: str) -> Engine:
        return self._holder(process_id) or self._engines[self._default]

    def _holder(self, process_id: str) -> Engine | None:
        return next((engine for engine in self._engines.values() if engine.knows(process_id)), None)


def open_engine(settings: Settings) -> ChosenEngine:
    """The engine of a platform. Nothing is asked of Docker or Podman before it is needed, or of a cluster that is not.

    Raises:
        GpusInvalidError: the setting `gpus` does not say which accelerators are meant.
        RayMissingError: the setting `engine` is `ray`, and Ray is not installed.
        ClusterUnavailableError: it is, and no cluster answers.
    """
    home, is_cluster = settings.layout, settings.engine is EngineKind.RAY
    wanted = settings.gpus or (NO_GPUS if is_cluster else "")  # there the cluster hands them out
    gpus = find_gpus(wanted) if wanted else None
    containers = ContainerEngine(
        home,
        socket=settings.container_socket,
        may_pull=settings.container_pull,
        pull_seconds=settings.container_pull_seconds,
        gpus=gpus,
    )
    engines: dict[EngineKind, Engine] = {
        EngineKind.LOCAL: LocalEngine(home, gpus=gpus),
        EngineKind.CONTAINER: containers,
    }
    if is_cluster:
        from modelyard.engines.ray.engine import RayEngine  # noqa: PLC0415 - Ray is an extra

        engines[EngineKind.RAY] = RayEngine(home, settings.ray_address)
    return ChosenEngine(engines, default=settings.engine)
