"""queues and reservations."""

from datetime import datetime
from typing import Annotated

import typer

from modelyard.cli.command import command
from modelyard.cli.groups import add_group
from modelyard.cli.output import when
from modelyard.cli.session import Session
from modelyard.cli.suggestions import did_you_mean
from modelyard.types.compute.nodes import NodeUse
from modelyard.types.compute.scheduling import DEFAULT_QUEUE, HostCapacity

PANEL = "Compute"
Name = Annotated[str, typer.Argument(help="Name of the queue.")]
Id = Annotated[str, typer.Argument(help="Id of the reservation.")]


def declare(app: typer.Typer) -> None:
    """Add the groups."""
    add_group(app, "queues", _declare_queues, help="Where jobs wait, and what they wait for.", panel=PANEL)
    add_group(app, "reservations", _declare_reservations, help="Capacity for a window of time.", panel=PANEL)


def _declare_queues(group: typer.Typer) -> None:
    command(group, "list")(list_queues)
    command(group, "show")(show_queue)
    command(group, "create")(create_queue)
    command(group, "set")(set_queue)
    command(group, "delete")(delete_queue)
    command(group, "hosts")(list_hosts)
    command(group, "set-host")(set_host)


def _declare_reservations(group: typer.Typer) -> None:
    command(group, "list")(list_reservations)
    command(group, "create")(create_reservation)
    command(group, "cancel")(cancel_reservation)


def list_queues(session: Session) -> None:
    """Queues by name."""
    session.out.table(
        session.client.queues.list(),
        {
            "Name": lambda queue: queue.name,
            "Priority": lambda queue: queue.priority,
            "State": lambda queue: "held" if queue.is_held else "open",
            "Description": lambda queue: queue.description,
        },
        empty="There are no queues.",
    )


def show_queue(session: Session, name: Name = DEFAULT_QUEUE) -> None:
    """Jobs of a queue: those that run, then the others in the order of their turn."""
    with did_you_mean("queue", name, lambda: _names(session)):
        jobs = [*session.client.queues.jobs(name)]
    session.out.table(
        jobs,
        {
            "Turn": lambda each: each.position or "runs",
            "Job": lambda each: each.job,
            "Project": lambda each: each.project,
            "Priority": lambda each: each.schedule.priority,
            "Cores": lambda each: f"{each.schedule.cpus:g}",
            "GiB": lambda each: f"{each.schedule.memory_bytes / 2**30:.3g}",
            "Kind": lambda each: "spot" if each.schedule.is_spot else "on demand",
            "Starts": lambda each: when(each.schedule.expected_start),
            "Why": lambda each: each.schedule.reason,
        },
        empty="Nobody waits and nothing runs.",
    )


def create_queue(
    session: Session,
    name: Name,
    priority: Annotated[int, typer.Option(help="-100 to 100, added to that of its jobs.")] = 0,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
) -> None:
    """Create a queue."""
    made = session.client.queues.create(name, priority=priority, description=description)
    session.out.done(made, f"Created queue {made.name} with priority {made.priority}.")


def set_queue(
    session: Session,
    name: Name,
    priority: Annotated[int | None, typer.Option(help="-100 to 100, added to that of its jobs.")] = None,
    hold: Annotated[bool | None, typer.Option("--hold/--release", help="Whether nothing in it starts.")] = None,
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
) -> None:
    """Change, hold or release a queue."""
    with did_you_mean("queue", name, lambda: _names(session)):
        queue = session.client.queues.update(name, priority=priority, hold=hold, description=description)
    session.out.done(queue, f"Queue {name}: priority {queue.priority}, {'held' if queue.is_held else 'open'}.")


def delete_queue(session: Session, name: Name) -> None:
    """Delete an empty queue."""
    with did_you_mean("queue", name, lambda: _names(session)):
        session.client.queues.delete(name)
    session.out.done({"deleted": name}, f"Deleted queue {name}.")


def list_hosts(session: Session) -> None:
    """What machines offer to jobs."""
    session.out.table(
        session.client.queues.hosts(),
        {
            "Host": lambda host: host.name,
            "Cores": lambda host: f"{host.cpus:g}",
            "GiB": lambda host: f"{host.memory_bytes / 2**30:.3g}",
            "GPUs": lambda host: f"{host.gpus} {host.traits.gpu_kind}".strip(),
            "Jobs": lambda host: host.jobs,
            "Held by others": lambda host: _use(host.in_use),
            "Labels": lambda host: ", ".join(f"{name}={value}" for name, value in host.traits.labels.items()),
        },
        empty="There are no hosts.",
    )


def set_host(
    session: Session,
    name: Annotated[str, typer.Argument(help="Name of the host.")],
    cpus: Annotated[float | None, typer.Option(help="Cores for jobs.")] = None,
    memory: Annotated[int | None, typer.Option(metavar="MIB", help="Memory for jobs, in MiB.")] = None,
    gpus: Annotated[int | None, typer.Option(help="GPUs for jobs.")] = None,
    jobs: Annotated[int | None, typer.Option(help="As many jobs run at the same time.")] = None,
) -> None:
    """Set what a machine offers to jobs; what is left out stays."""
    hosts = {host.name: host for host in session.client.queues.hosts()}
    before = hosts.get(name) or HostCapacity(name=name, cpus=0, memory_bytes=0, gpus=0, jobs=0)
    wanted = HostCapacity(
        name=name,
        cpus=before.cpus if cpus is None else cpus,
        memory_bytes=before.memory_bytes if memory is None else memory << 20,
        gpus=before.gpus if gpus is None else gpus,
        jobs=before.jobs if jobs is None else jobs,
    )
    with did_you_mean("host", name, lambda: [*hosts]):
        host = session.client.queues.set_host(wanted)
    session.out.done(host, f"Host {name} offers {host.cpus:g} cores, {host.memory_bytes / 2**30:.3g} GiB to jobs.")


def list_reservations(session: Session) -> None:
    """Reserved windows of the project."""
    session.out.table(
        session.client.reservations.list(),
        {
            "Id": lambda each: each.id,
            "Cores": lambda each: f"{each.cpus:g}",
            "GiB": lambda each: f"{each.memory_bytes / 2**30:.3g}",
            "GPUs": lambda each: each.gpus,
            "Hosts": lambda each: ", ".join(each.held_hosts),
            "From": lambda each: when(each.starts_at),
            "To": lambda each: when(each.ends_at),
        },
        empty="Nothing is reserved.",
    )


def create_reservation(
    session: Session,
    starts: Annotated[datetime, typer.Argument(help="When it begins, in local time: 2030-01-31T20:00")],
    ends: Annotated[datetime, typer.Argument(help="When it ends.")],
    cpus: Annotated[float, typer.Option(help="Cores of each host.")],
    memory: Annotated[int | None, typer.Option(metavar="MIB", help="Memory of each host, in MiB.")] = None,
    gpus: Annotated[int, typer.Option(help="GPUs of each host.")] = 0,
    hosts: Annotated[int, typer.Option(min=1, help="On so many hosts, all of them or none.")] = 1,
) -> None:
    """Reserve capacity for a window. Jobs use it with --reservation."""
    memory_bytes = None if memory is None else memory << 20
    made = session.client.reservations.create(
        starts.astimezone(), ends.astimezone(), cpus=cpus, memory_bytes=memory_bytes, gpus=gpus, hosts=hosts
    )
    command = "train ..." if hosts == 1 else f"run ... --hosts {hosts}"
    where = ", ".join(made.held_hosts)
    session.out.done(made, f"Reserved {made.id} on {where}. Use it: modelyard {command} --reservation {made.id}")


def cancel_reservation(session: Session, id: Id) -> None:
    """Give reserved capacity back."""
    with did_you_mean("reservation", id, lambda: [each.id for each in session.client.reservations.list()]):
        session.client.reservations.cancel(id)
    session.out.done({"cancelled": id}, f"Gave back {id}.")


def _use(use: NodeUse) -> str:
    """What others than jobs hold of a host."""
    amounts = {"cores": use.cpus, "GiB": use.memory_bytes / 2**30, "GPUs": use.gpus}
    return ", ".join(f"{amount:.3g} {name}" for name, amount in amounts.items() if amount)


def _names(session: Session) -> list[str]:
    return [queue.name for queue in session.client.queues.list()]
