"""Looking at a job and waiting for it, and what requests for jobs have in common."""

from collections.abc import Callable, Mapping

from modelyard.sdk.calls import Mode, call
from modelyard.sdk.errors import WaitFailedError
from modelyard.sdk.resource import JOBS, Resource, create, read, wait_for
from modelyard.sdk.steps import Flow
from modelyard.types.compute.scheduling import Placement
from modelyard.types.jobs import Job, JobStatus
from modelyard.types.processes import Resources

_NO_LIMITS = Resources()
OnLook = Callable[[Job], None]


class JobCalls(Resource[Mode]):
    """What every kind of job is asked."""

    @call
    def get(self, id: str) -> Flow[Job]:
        """A job as it is now."""
        return read(Job, self._path(JOBS, "jobs", id))

    @call
    def wait(self, id: str, *, timeout_seconds: float | None = None, on_look: OnLook | None = None) -> Flow[Job]:
        """Come back when the job has completed.

        Raises:
            WaitFailedError: it failed or was stopped; the message has the cause and the last lines of its output.
            WaitTimeoutError: it is still under way.
        """

        def is_done(job: Job) -> bool:
            if on_look:
                on_look(job)
            return job.status.is_final

        job = yield from wait_for(f"job {id}", lambda: JobCalls.get.flow(self, id), is_done, timeout_seconds)
        if job.status is not JobStatus.COMPLETED:
            raise _failed(job)
        return job

    def _submitted(
        self,
        kind: str,
        body: Mapping[str, object],
        *,
        wait: bool,
        timeout_seconds: float | None = None,
        on_look: OnLook | None = None,
    ) -> Flow[Job]:
        """The job of a request; once it has completed if that is asked for."""
        job = yield from create(Job, self._path(JOBS, kind), body)
        if not wait:
            return job
        return (yield from JobCalls.wait.flow(self, job.id, timeout_seconds=timeout_seconds, on_look=on_look))


def channels_of(data: str | Mapping[str, str]) -> dict[str, dict[str, str | int]]:
    """Datasets by role; one alone is to train on."""
    refs = {"train": data} if isinstance(data, str) else dict(data)
    channels: dict[str, dict[str, str | int]] = {}
    for role, ref in refs.items():
        name, _, number = ref.partition(":")
        channels[role] = {"dataset": name, "number": int(number)} if number.isdecimal() else {"dataset": ref}
    return channels


def source_of(text: str) -> dict[str, str]:
    """Data by what its name looks like: an address, the key of an object, or else a dataset."""
    if text.startswith("https://"):
        return {"url": text}
    return {"object" if "/" in text else "dataset": text}


def limits_of(resources: Resources | None) -> dict[str, object]:
    """What was asked for by name."""
    if resources is None:
        return {}
    limits = ("cpus", "memory_bytes", "disk_bytes", "time_limit_seconds")
    wishes = ("gpus", "gpu_kind", "gpu_memory_bytes", "node_labels", "placement")
    values = {name: getattr(resources, name) for name in (*limits, *wishes)}
    return {name: value for name, value in values.items() if value != getattr(_NO_LIMITS, name)}


def place_of(placement: Placement | None) -> dict[str, object]:
    """When and where a job may start."""
    if placement is None:
        return {}
    return {
        "queue": placement.queue,
        "priority": placement.priority,
        "spot": placement.is_spot,
        "hold": placement.is_held,
        "start_before": placement.start_before,
        "reservation": placement.reservation,
        "gpus": placement.gpus,
    }


def room_of(resources: Resources | None, placement: Placement | None) -> dict[str, object]:
    """Both, as requests have them."""
    return {"resources": limits_of(resources), "schedule": place_of(placement)}


def _failed(job: Job) -> WaitFailedError:
    end = job.end
    reason = f": {end.message}" if end else ""
    tail = f"\n{end.log_tail.strip()}" if end and end.log_tail.strip() else ""
    return WaitFailedError(
        f"job {job.id} is {job.status}{reason}{tail}", hint=f"Its whole output: modelyard jobs logs {job.id}"
    )
