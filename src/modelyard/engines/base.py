"""The engine contract: run sandboxed commands, say truthfully what became of them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from modelyard.engines.machines import this_machine
from modelyard.errors import InvalidInputError, NotFoundError, UnavailableError
from modelyard.types.compute.nodes import Node
from modelyard.types.debugging.profiles import ProcessSample
from modelyard.types.processes import LogChunk, ProcessSpec, ProcessState, SandboxLevel


class ProcessNotFoundError(NotFoundError):
    """No process of that id was ever submitted here, or it was removed."""

    code = "process_not_found"


class SandboxTooWeakError(UnavailableError):
    """A program that came with a model may only run where it cannot read other people's files."""

    code = "sandbox_too_weak"


class NoSuchNodeError(UnavailableError):
    """No machine of the engine has what a process asks for: accelerators, cores, labels."""

    code = "no_such_node"


class Engine(ABC):
    """Runs processes that outlive the caller: a new Engine object on the same state sees all of them.

    Every method may be called from any thread and from several control processes at once. A process's record and its
    life agree: RUNNING is answered only while the process is proven alive at the time of the call.
    """

    name: str

    has_nodes: bool = False
    """Processes run on several machines: what they listen on in their work directory is reached by a door only."""

    @abstractmethod
    def submit(self, process_id: str, spec: ProcessSpec) -> None:
        """Start `spec` as `process_id`; returns once the process has a durable record, often before it runs.

        Idempotent: a second submit of the same id does nothing, whatever became of the first.

        Raises:
            InvalidInputError: the work directory or a mount does not exist, or the command is empty.
            NoSuchNodeError: no machine has what it asks for, or the one that it names is not there.
        """

    @abstractmethod
    def state(self, process_id: str) -> ProcessState:
        """What is true now.

        Raises:
            ProcessNotFoundError: never submitted, or removed.
        """

    @abstractmethod
    def list(self, labels: Mapping[str, str] | None = None) -> Sequence[ProcessState]:
        """All processes that have a record and carry all of `labels`, oldest first."""

    @abstractmethod
    def stop(self, process_id: str, *, grace_seconds: float = 5.0, is_preemption: bool = False) -> None:
        """Ask the whole process group to end (SIGTERM), make it end after the grace time (SIGKILL); does not wait.

        The end's cause is STOPPED (PREEMPTED if so said). No effect on a process that has ended.

        Raises:
            ProcessNotFoundError: never submitted, or removed.
        """

    @abstractmethod
    def wait(self, process_id: str, timeout_seconds: float) -> ProcessState:
        """The state once the process has ended, or as it is after `timeout_seconds`.

        Raises:
            ProcessNotFoundError: never submitted, or removed.
        """

    @abstractmethod
    def logs(self, process_id: str, offset: int = 0, limit: int = 1 << 20) -> LogChunk:
        """At most `limit` bytes of output from byte `offset`; an empty text when there is no more yet.

        Raises:
            ProcessNotFoundError: never submitted, or removed.
        """

    @abstractmethod
    def remove(self, process_id: str) -> None:
        """Forget an ended process (its output too). Ends it first if it lives. No effect if it is unknown."""

    @abstractmethod
    def reap(self) -> Sequence[str]:
        """End every process of this engine that lives without a record; returns what was ended, in words."""

    def knows(self, process_id: str) -> bool:
        """Whether there is a record of this process."""
        try:
            self.state(process_id)
        except ProcessNotFoundError:
            return False
        return True

    def samples(self, process_id: str) -> Sequence[ProcessSample]:  # noqa: ARG002 - most have nobody who looks
        """What a process and all below it used, look by look; nothing where nobody looks at them.

        Raises:
            ProcessNotFoundError: never submitted, or removed.
        """
        return []

    def nodes(self) -> Sequence[Node]:
        """Its machines, no two of one name; this machine, as `local`, if it has no others."""
        return [this_machine()]

    def drain(self, node: str) -> bool:
        """Let a machine that does nothing take no more processes, for good; False: it works, or cannot be drained.

        Whoever wants to end a machine asks this first: nothing can begin there between the question and the end.
        """
        del node
        return False

    def preparing(self, process_id: str) -> str:  # noqa: ARG002 - most have nothing to prepare
        """What a `submit` under way in this object does before there is a record, in words; empty: nothing to tell."""
        return ""

    def resolve_image(self, reference: str) -> str:
        """What a reference of an image means now, for good: by the digest of its content.

        Raises:
            InvalidInputError: this engine runs no images.
        """
        raise InvalidInputError(
            f"The {self.name} engine runs no images, so '{reference}' means nothing to it",
            hint="Submit it to an engine of containers.",
            field="image",
        )

    @abstractmethod
    def sandbox_level(self) -> SandboxLevel:
        """The level that `submit` will use on this machine now."""


def check_fence(engine: Engine) -> None:
    """Nothing if code of strangers may run in this engine's sandbox.

    Raises:
        SandboxTooWeakError: it limits resources only.
    """
    if engine.sandbox_level() is SandboxLevel.RLIMITS:
        raise SandboxTooWeakError(
            "this machine has no sandbox that hides files, so models that are programs do not run on it",
            hint="`modelyard doctor` says what to do for a stronger one.",
        )
