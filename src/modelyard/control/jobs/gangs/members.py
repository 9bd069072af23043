"""The processes of a job's attempt: one, or one for each member of a gang on several machines.

Each member has a record, output and use of its own at the engine; the job's folder and its checkpoints are one for all.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress

from modelyard.control.jobs.gangs.ending import MemberState, has_failed
from modelyard.engines.base import Engine, ProcessNotFoundError
from modelyard.types.jobs import Job
from modelyard.types.processes import ProcessSpec, ProcessStatus


def process_id(job: Job, rank: int = 0) -> str:
    """The engine's name for the present attempt of a job, or for one of its members."""
    return f"{job.id}-{job.attempt}" if rank == 0 else f"{job.id}-{job.attempt}-rank-{rank}"


def process_ids(job: Job) -> list[str]:
    """Of all its members that have a process of their own, by rank."""
    return [process_id(job, rank) for rank in range(process_count(job))]


def process_count(job: Job) -> int:
    """How many processes the job has: a gang on one machine is one, whose members are below it."""
    script = job.recipe.script
    return script.hosts if script is not None and script.is_distributed else 1


class Members:
    """Asks the engine. Keeps nothing.

    Args:
        engine: where they run.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def exist(self, job: Job) -> bool:
        """Whether all members of the present attempt were submitted: the first one comes last."""
        return self._engine.knows(process_id(job))

    def submit(self, job: Job, specs: Callable[[], Sequence[ProcessSpec]]) -> None:
        """Start all members that are not there yet; `specs` has one of each, by rank.

        Raises:
            ModelyardError: one could not be submitted. Others may have been: see `remove`.
        """
        for rank, spec in reversed([*enumerate(specs())]):
            self._engine.submit(process_id(job, rank), spec)

    def wait(self, job: Job, timeout_seconds: float) -> Sequence[MemberState]:
        """All members, once one has ended that ran at the call, or as they are after this time.

        Raises:
            ProcessNotFoundError: one was removed.
        """
        alive = next((each for each in self.states(job) if each.state.is_alive), None)
        if alive is not None:
            self._engine.wait(process_id(job, alive.rank), timeout_seconds)
        return self.states(job)

    def states(self, job: Job) -> list[MemberState]:
        """What is true of each now.

        Raises:
            ProcessNotFoundError: one was removed, or was never submitted.
        """
        return [MemberState(rank, self._engine.state(name)) for rank, name in enumerate(process_ids(job))]

    def are_running(self, job: Job) -> bool:
        """Whether the job goes on: one of them runs, and none has failed."""
        try:
            states = self.states(job)
        except ProcessNotFoundError:
            return False
        return any(each.state.is_alive for each in states) and not any(has_failed(each.state) for each in states)

    def stop(self, job: Job, *, grace_seconds: float = 5.0, is_preemption: bool = False) -> None:
        """Have all end that run."""
        for name in process_ids(job):
            with suppress(ProcessNotFoundError):
                self._engine.stop(name, grace_seconds=grace_seconds, is_preemption=is_preemption)

    def remove(self, job: Job) -> None:
        """Forget all of them; the first one first, so that what is left of an attempt does not look whole."""
        for name in process_ids(job):
            self._engine.remove(name)


def are_all_running(states: Sequence[MemberState]) -> bool:
    """Whether every member runs."""
    return all(each.state.status is ProcessStatus.RUNNING for each in states)
