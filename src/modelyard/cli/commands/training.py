"""train, jobs, algorithms."""

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from modelyard.cli.command import command
from modelyard.cli.commands.compute.batch import progress_words
from modelyard.cli.commands.compute.waiting import hold_job, move_job, rank_job, release_job
from modelyard.cli.groups import add_group
from modelyard.cli.labels import read_labels
from modelyard.cli.output import pairs, since, when
from modelyard.cli.session import Session
from modelyard.cli.suggestions import did_you_mean
from modelyard.errors import InvalidInputError
from modelyard.types.compute.scheduling import DEFAULT_QUEUE, EntryState, Placement, Schedule
from modelyard.types.jobs import Job, JobKind, JobStatus
from modelyard.types.processes import Resources
from modelyard.types.signatures import Scalar

PANEL = "Training"
Id = Annotated[str, typer.Argument(help="Id of the job.")]


class SettingInvalidError(InvalidInputError):
    """An option that is not of the form NAME=VALUE."""

    code = "setting_invalid"


def declare(app: typer.Typer) -> None:
    """Add the command and the groups."""
    command(app, "train", panel=PANEL)(train)
    add_group(app, "jobs", _declare_jobs, help="Look at jobs, follow and stop them.", panel=PANEL)
    add_group(app, "algorithms", _declare_algorithms, help="The built-in training algorithms.", panel=PANEL)


def _declare_jobs(group: typer.Typer) -> None:
    command(group, "list")(list_jobs)
    command(group, "show")(show_job)
    command(group, "logs")(show_logs)
    command(group, "metrics")(show_metrics)
    command(group, "wait")(wait_for_job)
    command(group, "stop")(stop_job)
    command(group, "hold")(hold_job)
    command(group, "release")(release_job)
    command(group, "rank")(rank_job)
    command(group, "move")(move_job)


def _declare_algorithms(group: typer.Typer) -> None:
    command(group, "list")(list_algorithms)
    command(group, "show")(show_algorithm)


def train(
    session: Session,
    algorithm: Annotated[str, typer.Argument(help="Name of a built-in algorithm: modelyard algorithms list")],
    data: Annotated[str, typer.Option(help="Dataset to learn from: NAME or NAME:VERSION.")],
    model: Annotated[str, typer.Option(help="Model that gets the new version; made if absent.")],
    target: Annotated[str | None, typer.Option(help="Column to predict, for tables.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A hyper-parameter; may be repeated.")
    ] = None,
    channel: Annotated[
        list[str] | None, typer.Option(metavar="ROLE=DATASET", help="A further dataset by role; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seeds every random choice.")] = 0,
    cpus: Annotated[float | None, typer.Option(help="Cores, and threads that the algorithm uses.")] = None,
    memory: Annotated[
        int | None, typer.Option(metavar="MIB", help="Memory in MiB that ends the job if exceeded.")
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Time after which the job is ended.")
    ] = None,
    gpus: Annotated[float, typer.Option(min=0, help="Accelerators for itself; below 1, its part of one.")] = 0,
    gpu_kind: Annotated[str, typer.Option(help="What they must be, such as A100.")] = "",
    gpu_memory: Annotated[int, typer.Option(min=0, metavar="MIB", help="Memory that each must have, in MiB.")] = 0,
    node_label: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A label that its machine must carry, on a cluster; may be repeated."),
    ] = None,
    queue: Annotated[str, typer.Option(help="Queue in which it waits.")] = DEFAULT_QUEUE,
    priority: Annotated[int, typer.Option(help="-10 to 10, added to that of its queue.")] = 0,
    spot: Annotated[bool, typer.Option("--spot", help="Cheaper; it makes room for others and comes back.")] = False,
    start_within: Annotated[float | None, typer.Option(metavar="MINUTES", help="Or else not at all.")] = None,
    reservation: Annotated[str | None, typer.Option(help="Run on this reserved capacity.")] = None,
    wait: Annotated[bool, typer.Option(help="Wait until the model is registered.")] = True,
) -> None:
    """Train a model on a dataset and register what comes out."""
    client = session.client
    channels = {"train": data, **{role: str(name) for role, name in _settings(channel, is_parsed=False).items()}}
    algorithms = lambda: [each.name for each in client.algorithms.list()]  # noqa: E731
    datasets = lambda: [each.name for each in client.datasets.list()]  # noqa: E731
    name = data.partition(":")[0]
    with did_you_mean("algorithm", algorithm, algorithms), did_you_mean("dataset", name, datasets):
        job = client.jobs.train(
            algorithm,
            channels,
            model=model,
            target=target,
            hyperparameters=_settings(set_),
            seed=seed,
            resources=_resources(cpus, memory, time_limit, gpus, gpu_kind, gpu_memory, node_label),
            placement=_placement(queue, priority, spot, start_within, reservation),
        )
    session.out.note(f"Job {job.id}. Follow it: modelyard jobs logs {job.id} --follow")
    if wait:
        job = _wait(session, job.id)
    made = job.result.get("model_version", "")
    text = f"Registered {made}  {pairs(job.metrics)}" if made else f"{job.id} {job.status}"
    session.out.done(job, text)


def list_jobs(
    session: Session,
    status: Annotated[JobStatus | None, typer.Option(help="Only jobs in this state.")] = None,
    kind: Annotated[JobKind | None, typer.Option(help="Only jobs of this kind.")] = None,
) -> None:
    """Jobs, newest first."""
    session.out.table(
        session.client.jobs.list(status=status, kind=kind),
        {
            "Id": lambda job: job.id,
            "Kind": lambda job: job.kind,
            "Algorithm": lambda job: job.recipe.algorithm,
            "Model": lambda job: job.result.get("model_version") or job.model or job.recipe.candidates,
            "Status": lambda job: job.status,
            "Metrics": progress_words,
            "Made": lambda job: since(job.created_at),
        },
        empty="There are no jobs yet. Start one: modelyard train ALGORITHM --data DATASET --model NAME",
    )


def show_job(session: Session, id: Id) -> None:
    """A job: its recipe, its metrics, and why it ended."""
    with did_you_mean("job", id, lambda: _ids(session)):
        job = session.client.jobs.get(id)
    recipe = job.recipe
    fields = {
        "Job": job.id,
        "Status": job.status,
        **_waiting(job.schedule),
        "Why": job.end.message if job.end else "",
        "Cause": job.end.cause if job.end else "",
        "Algorithm": recipe.algorithm,
        "Data": [f"{role}: {ref.dataset}:{ref.number or 'latest'}" for role, ref in recipe.channels.items()]
        or (recipe.batch and (recipe.batch.object or recipe.batch.url)),
        "Hyper-parameters": pairs(recipe.hyperparameters),
        "Target": recipe.target,
        "Seed": recipe.seed,
        "Model versions": recipe.candidates,
        "Progress" if job.progress else "Metrics": progress_words(job),
        "Result": pairs(job.result),
        "Sandbox": job.sandbox,
        "Attempt": job.attempt,
        "Started": when(job.started_at),
        "Ended": when(job.ended_at),
        "By": job.created_by,
        "Last output": job.end.log_tail.strip() if job.end else "",
    }
    session.out.record(job, fields)


def show_logs(
    session: Session,
    id: Id,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until the job ends.")] = False,
) -> None:
    """What a job printed."""
    with did_you_mean("job", id, lambda: _ids(session)):
        for line in session.client.jobs.logs(id, follow=follow):
            session.out.line(line)


def show_metrics(session: Session, id: Id) -> None:
    """Metric values of a job, in the order in which they came."""
    with did_you_mean("job", id, lambda: _ids(session)):
        points = [*session.client.jobs.metrics(id)]
    session.out.table(
        points,
        {
            "Step": lambda point: point.step,
            "Metric": lambda point: point.name,
            "Value": lambda point: point.value,
            "At": lambda point: when(point.at),
        },
        empty="The job has logged no metrics.",
    )


def wait_for_job(session: Session, id: Id) -> None:
    """Come back when a job has completed; exit code 5 if it failed."""
    with did_you_mean("job", id, lambda: _ids(session)):
        job = _wait(session, id)
    session.out.done(job, f"{job.id} {job.status}  {progress_words(job)}")


def stop_job(session: Session, id: Id) -> None:
    """Ask a job to stop."""
    with did_you_mean("job", id, lambda: _ids(session)):
        job = session.client.jobs.stop(id)
    later = "" if job.status.is_final else f" and is being stopped. See it end: modelyard jobs show {job.id}"
    session.out.done(job, f"{job.id} is {job.status}{later}")


def list_algorithms(session: Session) -> None:
    """Built-in algorithms."""
    session.out.table(
        session.client.algorithms.list(),
        {
            "Name": lambda algorithm: algorithm.name,
            "Task": lambda algorithm: algorithm.task,
            "Data": lambda algorithm: algorithm.input_formats,
            "Description": lambda algorithm: algorithm.description,
        },
        empty="There are no algorithms.",
    )


def show_algorithm(session: Session, name: Annotated[str, typer.Argument(help="Name of the algorithm.")]) -> None:
    """What an algorithm takes: data, hyper-parameters, metrics."""
    with did_you_mean("algorithm", name, lambda: [each.name for each in session.client.algorithms.list()]):
        algorithm = session.client.algorithms.get(name)
    fields = {
        "Algorithm": algorithm.name,
        "Task": algorithm.task,
        "Description": algorithm.description,
        "Data": algorithm.input_formats,
        "Metrics": algorithm.metrics,
        "Objective": algorithm.objective,
    }
    session.out.record(algorithm, fields)
    if session.out.is_json:
        return
    session.out.table(
        algorithm.hyperparameters,
        {
            "Hyper-parameter": lambda each: each.name,
            "Type": lambda each: each.type,
            "Default": lambda each: str(each.default),
            "Allowed": lambda each: (
                each.choices
                or (f"{each.minimum:g} to {each.maximum:g}" if None not in (each.minimum, each.maximum) else "")
            ),
            "Description": lambda each: each.description,
        },
        empty="It has no hyper-parameters.",
    )


def _resources(
    cpus: float | None,
    memory: int | None,
    time_limit: float | None,
    gpus: float,
    gpu_kind: str,
    gpu_memory: int,
    node_label: list[str] | None,
) -> Resources:
    return Resources(
        cpus=cpus,
        memory_bytes=memory and memory << 20,
        time_limit_seconds=time_limit,
        gpus=gpus,
        gpu_kind=gpu_kind,
        gpu_memory_bytes=gpu_memory << 20 or None,
        node_labels=read_labels(node_label or ()),
    )


def _placement(queue: str, priority: int, spot: bool, start_within: float | None, reservation: str | None) -> Placement:
    start_before = None if start_within is None else datetime.now(UTC) + timedelta(minutes=start_within)
    return Placement(queue=queue, priority=priority, is_spot=spot, start_before=start_before, reservation=reservation)


def _waiting(schedule: Schedule | None) -> dict[str, str]:
    """Where a job stands that has not ended."""
    if schedule is None:
        return {}
    kind = " (spot)" if schedule.is_spot else ""
    fields = {"Queue": f"{schedule.queue}{kind}"}
    if schedule.state is EntryState.WAITING:
        fields |= {
            "Waits": schedule.reason,
            "Expected start": when(schedule.expected_start),
            "At the latest": when(schedule.planned_start),
        }
    return fields


def _wait(session: Session, id: str) -> Job:
    with session.out.waiting(f"Job {id}") as say:
        return session.client.jobs.wait(id, on_look=lambda job: say(f"{job.status} {progress_words(job)}"))


def _ids(session: Session) -> list[str]:
    return [job.id for job in session.client.jobs.list()]


def _settings(given: list[str] | None, *, is_parsed: bool = True) -> dict[str, Scalar]:
    """NAME=VALUE pairs; numbers and booleans as such, everything else is text ("128,64")."""
    settings: dict[str, Scalar] = {}
    for item in given or []:
        name, mark, text = item.partition("=")
        if not mark or not name:
            raise SettingInvalidError(f"'{item}' is not of the form NAME=VALUE", hint="Write it like epochs=20.")
        settings[name] = _scalar(text) if is_parsed else text
    return settings


def _scalar(text: str) -> Scalar:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float) else text
