"""Routes of queues, hosts, reservations, and of jobs that wait."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from modelyard.control.rest.dependencies import PageParameters, set_etag
from modelyard.control.rest.guard import Guard
from modelyard.control.rest.pages import Page
from modelyard.control.scheduling.queues import QueueService
from modelyard.control.scheduling.schemas import (
    HostUpdate,
    MoveRequest,
    QueueCreate,
    QueueUpdate,
    RankRequest,
    ReservationCreate,
)
from modelyard.control.scheduling.service import SchedulingService
from modelyard.types.access import Action, Principal
from modelyard.types.compute.scheduling import HostCapacity, Queue, QueuedJob, QuotaUse, Reservation, Schedule


def queues_router(queues: QueueService, service: SchedulingService, guard: Guard) -> APIRouter:
    """/queues and /hosts: the whole platform's."""
    routes = APIRouter(tags=["queues"])
    administers = Depends(guard.require(Action.ADMINISTER))

    @routes.get("/queues", summary="List queues", dependencies=[Depends(guard.require(Action.READ))])
    def list_queues(page: PageParameters) -> Page[Queue]:
        """Jobs of a queue with a higher priority go first; `is_held` ones start nothing."""
        return queues.list(page)

    @routes.post("/queues", status_code=201, summary="Create a queue", dependencies=[administers])
    def create_queue(body: QueueCreate, response: Response) -> Queue:
        """Jobs name the queue they want to wait in."""
        made = queues.create(body.name, body.description, body.priority)
        set_etag(response, made.version)
        return made

    @routes.get("/queues/{queue}", summary="Show a queue", dependencies=[Depends(guard.require(Action.READ))])
    def get_queue(queue: str) -> Queue:
        """Its priority, and whether it is held."""
        return queues.get(queue)

    @routes.patch("/queues/{queue}", summary="Change, hold or release a queue", dependencies=[administers])
    def update_queue(queue: str, body: QueueUpdate) -> Queue:
        """What runs goes on; what waits sees the change at once."""
        return queues.update(queue, description=body.description, priority=body.priority, is_held=body.hold)

    @routes.delete("/queues/{queue}", status_code=204, summary="Delete an empty queue", dependencies=[administers])
    def delete_queue(queue: str) -> None:
        """Refused with `queue_in_use` while jobs are in it."""
        queues.delete(queue)

    @routes.get("/queues/{queue}/jobs", summary="Jobs of a queue in the order of their turn")
    def list_queued_jobs(
        queue: str, principal: Annotated[Principal, Depends(guard.require(Action.READ))]
    ) -> Page[QueuedJob]:
        """Those that run have the position 0. A token of one project sees that project's jobs."""
        return Page(items=service.line(queue, principal.project), next_cursor=None)

    @routes.get("/hosts", summary="What machines offer to jobs", dependencies=[Depends(guard.require(Action.READ))])
    def list_hosts() -> Page[HostCapacity]:
        """The capacity that the scheduler shares out."""
        return Page(items=[*queues.hosts()], next_cursor=None)

    @routes.put("/hosts/{host}", summary="Set what a machine offers to jobs", dependencies=[administers])
    def set_host(host: str, body: HostUpdate) -> HostCapacity:
        """Running jobs go on even if they hold more than that."""
        return queues.set_host(body.capacity(host))

    return routes


def waiting_router(queues: QueueService, service: SchedulingService, guard: Guard) -> APIRouter:
    """A project's waiting jobs and its reservations."""
    routes = APIRouter(prefix="/projects/{project}", tags=["queues"])
    writes = Depends(guard.require(Action.WRITE))

    @routes.post("/jobs/{job_id}/hold", summary="Keep a waiting job from starting", dependencies=[writes])
    def hold_job(project: str, job_id: str) -> Schedule:
        """It keeps its place."""
        return service.hold(project, job_id, is_held=True)

    @routes.post("/jobs/{job_id}/release", summary="Let a held job start", dependencies=[writes])
    def release_job(project: str, job_id: str) -> Schedule:
        """As soon as there is room."""
        return service.hold(project, job_id, is_held=False)

    @routes.patch(
        "/jobs/{job_id}/schedule", summary="Give a waiting job another priority or queue", dependencies=[writes]
    )
    def rank_job(project: str, job_id: str, body: RankRequest) -> Schedule:
        """What is left out stays."""
        return service.rank(project, job_id, priority=body.priority, queue=body.queue)

    @routes.post("/jobs/{job_id}/move", summary="Move a waiting job before another", dependencies=[writes])
    def move_job(project: str, job_id: str, body: MoveRequest) -> Schedule:
        """Both are of the same project and queue. Jobs of other projects keep their places."""
        return service.move(project, job_id, body.before)

    @routes.get("/reservations", summary="List reserved windows", dependencies=[Depends(guard.require(Action.READ))])
    def list_reservations(project: str, page: PageParameters) -> Page[Reservation]:
        """In the order in which they were made."""
        return queues.list_reservations(project, page)

    @routes.post("/reservations", status_code=201, summary="Reserve capacity for a window")
    def reserve(
        project: str, body: ReservationCreate, principal: Annotated[Principal, Depends(guard.require(Action.OPERATE))]
    ) -> Reservation:
        """Refused with `reservation_invalid` if jobs that may still run then, or other reservations, hold it."""
        return queues.reserve(
            project,
            cpus=body.cpus,
            memory_bytes=body.memory_bytes,
            gpus=body.gpus,
            hosts=body.hosts,
            starts_at=body.starts_at,
            ends_at=body.ends_at,
            created_by=principal.name,
        )

    @routes.delete(
        "/reservations/{reservation}",
        status_code=204,
        summary="Give reserved capacity back",
        dependencies=[Depends(guard.require(Action.OPERATE))],
    )
    def cancel_reservation(project: str, reservation: str) -> None:
        """Jobs that run in it go on."""
        queues.cancel_reservation(project, reservation)

    _usage_route(routes, service, guard)
    return routes


def _usage_route(routes: APIRouter, service: SchedulingService, guard: Guard) -> None:
    @routes.get("/usage", summary="Show what a project's jobs hold", dependencies=[Depends(guard.require(Action.READ))])
    def get_usage(project: str) -> Page[QuotaUse]:
        """Running jobs and open reservations, beside what its quota allows."""
        return Page(items=service.usage(project), next_cursor=None)
