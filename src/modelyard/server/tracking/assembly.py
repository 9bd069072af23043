"""Wires experiments: MLflow's server, what stands in front of it, and what tells it of jobs."""

from dataclasses import dataclass

from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.experiments.proxy import TrackingProxy
from modelyard.control.jobs.job_runs import JobRuns
from modelyard.control.jobs.repository import JobRepository
from modelyard.control.rest.guard import Guard
from modelyard.server.applications.context import Context
from modelyard.server.duties import Duty
from modelyard.server.tracking.supervision import LOOK_SECONDS, TrackingSupervisor

JOBS_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """The parts; `mounts` says what answers where."""

    server: TrackingSupervisor
    mounts: tuple[tuple[str, TrackingProxy], ...]
    duties: tuple[Duty, ...]


def assemble(context: Context, registry: RegistryClient, guard: Guard) -> Tracking:
    """On the context's database, with a registry that may be anywhere."""
    server = TrackingSupervisor(context.settings, context.clock)
    runs = JobRuns(context.database, JobRepository(), registry, server)
    duties = (
        Duty(
            name="experiments.server",
            interval_seconds=LOOK_SECONDS,
            run=server.look,
            pause=server.pause_seconds,
            awake=server.awake,
        ),
        Duty(name="experiments.jobs", interval_seconds=JOBS_SECONDS, run=runs.look, is_shared=True),
    )
    proxy = TrackingProxy(server, guard, context.audit, context.clock)
    return Tracking(server=server, mounts=(("/mlflow", proxy),), duties=duties)
