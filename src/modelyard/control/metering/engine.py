"""An engine that lets no process be forgotten before what it has used is written down."""

import contextlib
from collections.abc import Callable, Mapping, Sequence

from modelyard.engines.base import Engine, ProcessNotFoundError
from modelyard.types.compute.nodes import Node
from modelyard.types.debugging.profiles import ProcessSample
from modelyard.types.processes import LogChunk, ProcessSpec, ProcessState, SandboxLevel

_END_SECONDS = 30.0


class MeteredEngine(Engine):
    """Passes everything on to `engine`; `write` gets the last state of whatever is removed."""

    def __init__(self, engine: Engine, write: Callable[[ProcessState], None]) -> None:
        self.name = engine.name
        self.has_nodes = engine.has_nodes
        self._engine = engine
        self._write = write

    def submit(self, process_id: str, spec: ProcessSpec) -> None:
        """See `Engine.submit`."""
        self._engine.submit(process_id, spec)

    def state(self, process_id: str) -> ProcessState:
        """See `Engine.state`."""
        return self._engine.state(process_id)

    def list(self, labels: Mapping[str, str] | None = None) -> Sequence[ProcessState]:
        """See `Engine.list`."""
        return self._engine.list(labels)

    def stop(self, process_id: str, *, grace_seconds: float = 5.0, is_preemption: bool = False) -> None:
        """See `Engine.stop`."""
        self._engine.stop(process_id, grace_seconds=grace_seconds, is_preemption=is_preemption)

    def wait(self, process_id: str, timeout_seconds: float) -> ProcessState:
        """See `Engine.wait`."""
        return self._engine.wait(process_id, timeout_seconds)

    def logs(self, process_id: str, offset: int = 0, limit: int = 1 << 20) -> LogChunk:
        """See `Engine.logs`."""
        return self._engine.logs(process_id, offset, limit)

    def samples(self, process_id: str) -> Sequence[ProcessSample]:
        """See `Engine.samples`."""
        return self._engine.samples(process_id)

    def remove(self, process_id: str) -> None:
        """See `Engine.remove`. The process is ended first: only then is all that it used known."""
        with contextlib.suppress(ProcessNotFoundError):
            self._engine.stop(process_id, grace_seconds=0)
            self._write(self._engine.wait(process_id, _END_SECONDS))
        self._engine.remove(process_id)

    def reap(self) -> Sequence[str]:
        """See `Engine.reap`."""
        return self._engine.reap()

    def sandbox_level(self) -> SandboxLevel:
        """See `Engine.sandbox_level`."""
        return self._engine.sandbox_level()

    def knows(self, process_id: str) -> bool:
        """See `Engine.knows`."""
        return self._engine.knows(process_id)

    def nodes(self) -> Sequence[Node]:
        """See `Engine.nodes`."""
        return self._engine.nodes()

    def drain(self, node: str) -> bool:
        """See `Engine.drain`."""
        return self._engine.drain(node)

    def preparing(self, process_id: str) -> str:
        """See `Engine.preparing`."""
        return self._engine.preparing(process_id)

    def resolve_image(self, reference: str) -> str:
        """See `Engine.resolve_image`."""
        return self._engine.resolve_image(reference)
