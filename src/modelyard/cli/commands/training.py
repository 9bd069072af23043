"""train, jobs, algorithms."""

import shlex
from typing import Annotated

import typer

from modelyard.cli.command import command
from modelyard.cli.commands.compute import options
from modelyard.cli.commands.compute.batch import progress_words
from modelyard.cli.commands.compute.processing import process
from modelyard.cli.commands.compute.scripts import rerun, run, show_output
from modelyard.cli.commands.compute.waiting import hold_job, move_job, rank_job, release_job
from modelyard.cli.commands.debugging.profiles import show_profile
from modelyard.cli.commands.debugging.rules import finding_words, list_rules
from modelyard.cli.groups import add_group
from modelyard.cli.output import pairs, since, when
from modelyard.cli.session import Session
from modelyard.cli.suggestions import did_you_mean
from modelyard.types.compute.scheduling import DEFAULT_QUEUE, EntryState, Schedule
from modelyard.types.jobs import JobKind, JobMember, JobRecipe, JobStatus
from modelyard.types.scripting.conditions import Conditions
from modelyard.types.scripting.recipes import ScriptRecipe

PANEL = "Training"
Id = Annotated[str, typer.Argument(help="Id of the job.")]


def declare(app: typer.Typer) -> None:
    """Add the commands and the groups."""
    command(app, "train", panel=PANEL)(train)
    command(app, "run", panel=PANEL)(run)
    command(app, "process", panel=PANEL)(process)
    add_group(app, "jobs", _declare_jobs, help="Look at jobs, follow and stop them.", panel=PANEL)
    add_group(app, "algorithms", _declare_algorithms, help="The built-in training algorithms.", panel=PANEL)


def _declare_jobs(group: typer.Typer) -> None:
    command(group, "list")(list_jobs)
    command(group, "show")(show_job)
    command(group, "logs")(show_logs)
    command(group, "metrics")(show_metrics)
    command(group, "output")(show_output)
    command(group, "profile")(show_profile)
    command(group, "wait")(wait_for_job)
    command(group, "stop")(stop_job)
    command(group, "rerun")(rerun)
    command(group, "rules")(list_rules)
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
    set_: options.Settings = None,
    channel: options.Channels = None,
    seed: options.Seed = 0,
    cpus: options.Cpus = None,
    memory: options.Memory = None,
    time_limit: options.TimeLimit = None,
    gpus: options.Gpus = 0,
    gpu_kind: options.GpuKind = "",
    gpu_memory: options.GpuMemory = 0,
    node_label: options.NodeLabels = None,
    queue: options.Queue = DEFAULT_QUEUE,
    priority: options.Priority = 0,
    spot: options.Spot = False,
    start_within: options.StartWithin = None,
    reservation: options.Reservation = None,
    rule: options.Rules = None,
    wait: Annotated[bool, typer.Option(help="Wait until the model is registered.")] = True,
) -> None:
    """Train a model on a dataset and register what comes out."""
    client = session.client
    channels = {"train": data, **options.read_pairs(channel)}
    algorithms = lambda: [each.name for each in client.algorithms.list()]  # noqa: E731
    datasets = lambda: [each.name for each in client.datasets.list()]  # noqa: E731
    name = data.partition(":")[0]
    with did_you_mean("algorithm", algorithm, algorithms), did_you_mean("dataset", name, datasets):
        job = client.jobs.train(
            algorithm,
            channels,
            model=model,
            target=target,
            hyperparameters=options.read_settings(set_),
            seed=seed,
            resources=options.resources_of(cpus, memory, time_limit, gpus, gpu_kind, gpu_memory, node_label),
            placement=options.placement_of(queue, priority, spot, start_within, reservation),
            rules=rule or (),
        )
    session.out.note(f"Job {job.id}. Follow it: modelyard jobs logs {job.id} --follow")
    if wait:
        job = options.wait_for(session, job.id)
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
        "Members": [_member_words(member) for member in job.end.members] if job.end else "",
        "Algorithm": recipe.algorithm,
        **_program(recipe.script),
        "Data": _data(recipe),
        "Hyper-parameters": pairs(recipe.hyperparameters),
        "Target": recipe.target,
        "Seed": recipe.seed,
        "Model versions": recipe.candidates,
        "Progress" if job.progress else "Metrics": progress_words(job),
        "Found": finding_words(job.findings),
        "Result": pairs(job.result),
        "Sandbox": job.sandbox,
        **_conditions(job.conditions),
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
    rank: Annotated[int, typer.Option(min=0, help="Of a gang on several machines: which member's.")] = 0,
) -> None:
    """What a job printed."""
    with did_you_mean("job", id, lambda: _ids(session)):
        for line in session.client.jobs.logs(id, follow=follow, rank=rank):
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
        job = options.wait_for(session, id)
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


def _program(script: ScriptRecipe | None) -> dict[str, str]:
    """What a script job runs."""
    if script is None:
        return {}
    return {
        "Runs": shlex.join((script.image or script.entry_point, *script.command, *script.arguments)),
        "Code": script.code,
        "Image": script.image_digest,
        "Environment": script.environment,
    }


def _member_words(member: JobMember) -> str:
    """How a member of a gang ended, and what it used."""
    used = "" if member.cpu_seconds is None else f", {member.cpu_seconds:.1f} s of processor time"
    return f"{member.rank} on {member.host}: {member.message}{used}"


def _data(recipe: JobRecipe) -> list[str]:
    """What a job reads."""
    data = [f"{role}: {ref.dataset}:{ref.number or 'latest'}" for role, ref in recipe.channels.items()]
    if recipe.batch is not None and not data:
        data = [str(recipe.batch.object or recipe.batch.url)]
    sources = recipe.script.sources if recipe.script is not None else {}
    return data + [f"{role}: {source.object or source.url}" for role, source in sources.items()]


def _conditions(conditions: Conditions | None) -> dict[str, str]:
    """What a job ran on."""
    if conditions is None or conditions.machine is None:
        return {}
    machine = conditions.machine
    return {
        "Machine": f"{machine.cpu}, {machine.cores} cores, {machine.system}",
        "Ran with": f"Python {machine.python}, {conditions.threads} threads, {pairs(machine.libraries)}",
    }


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


def _ids(session: Session) -> list[str]:
    return [job.id for job in session.client.jobs.list()]
