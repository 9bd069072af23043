"""jobs hold, release, rank and move: what one does with a job that waits."""

from typing import Annotated

import typer

from modelyard.cli.session import Session
from modelyard.cli.suggestions import did_you_mean

Id = Annotated[str, typer.Argument(help="Id of the job.")]


def hold_job(session: Session, id: Id) -> None:
    """Keep a waiting job from starting; it keeps its place."""
    with did_you_mean("job", id, lambda: _ids(session)):
        schedule = session.client.jobs.hold(id)
    session.out.done(schedule, f"{id} is held. Let it start: modelyard jobs release {id}")


def release_job(session: Session, id: Id) -> None:
    """Let a held job start."""
    with did_you_mean("job", id, lambda: _ids(session)):
        schedule = session.client.jobs.release(id)
    session.out.done(schedule, f"{id} starts as soon as there is room.")


def rank_job(
    session: Session,
    id: Id,
    priority: Annotated[int | None, typer.Option(help="-10 to 10, added to that of its queue.")] = None,
    queue: Annotated[str | None, typer.Option(help="Another queue.")] = None,
) -> None:
    """Give a waiting job another priority or queue."""
    with did_you_mean("job", id, lambda: _ids(session)):
        schedule = session.client.jobs.rank(id, priority=priority, queue=queue)
    session.out.done(schedule, f"{id} waits in {schedule.queue} with priority {schedule.priority}.")


def move_job(
    session: Session, id: Id, before: Annotated[str, typer.Option(help="A waiting job of the same project and queue.")]
) -> None:
    """Move a waiting job before another one."""
    with did_you_mean("job", id, lambda: _ids(session)):
        schedule = session.client.jobs.move(id, before=before)
    session.out.done(schedule, f"{id} goes before {before}.")


def _ids(session: Session) -> list[str]:
    return [job.id for job in session.client.jobs.list()]
