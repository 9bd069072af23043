"""run, what a job of one's own code has left, and reruns."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from modelyard.cli.commands.compute import options
from modelyard.cli.output import pairs
from modelyard.cli.session import Session
from modelyard.cli.suggestions import did_you_mean
from modelyard.errors import ConflictError
from modelyard.types.compute.scheduling import DEFAULT_QUEUE


class RerunDiffersError(ConflictError):
    """A job that was run again made something else."""

    code = "rerun_differs"


def run(
    session: Session,
    code: Annotated[Path | None, typer.Argument(help="A Python file, or a folder; none with --image.")] = None,
    arguments: Annotated[list[str] | None, typer.Argument(help="Arguments of the script, behind --.")] = None,
    entry_point: Annotated[str, typer.Option(help="File of the folder that is run.")] = "",
    data: Annotated[str | None, typer.Option(help="Dataset for the channel 'train': NAME or NAME:VERSION.")] = None,
    channel: options.Channels = None,
    set_: options.Settings = None,
    requirements: options.Requirements = None,
    environment: options.EnvironmentName = "",
    python: options.PythonVersion = "",
    metric: options.MetricPatterns = None,
    model: Annotated[str | None, typer.Option(help="Model that gets what it saves as a new version.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Dataset that gets its one output file as a new version.")] = None,
    image: options.Image = "",
    command: options.ImageCommand = "",
    hosts: Annotated[int, typer.Option(min=1, help="A gang of so many processes, all at once or not at all.")] = 1,
    same_node: Annotated[bool, typer.Option("--same-node", help="All of them on one machine of a cluster.")] = False,
    seed: options.Seed = 0,
    retries: options.Retries = 0,
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
    wait: Annotated[bool, typer.Option(help="Wait until it has completed.")] = True,
) -> None:
    """Run a script of yours, or an image, as a job."""
    job = session.client.jobs.run(
        code,
        entry_point=entry_point,
        arguments=arguments or (),
        hyperparameters=options.read_settings(set_),
        data=({"train": data} if data else {}) | options.read_pairs(channel),
        requirements=requirements,
        environment=environment,
        python=python,
        metrics=options.read_pairs(metric),
        model=model,
        dataset=dataset,
        image=image,
        command=shlex.split(command),
        hosts=hosts,
        seed=seed,
        retries=retries,
        resources=options.resources_of(cpus, memory, time_limit, gpus, gpu_kind, gpu_memory, node_label, same_node),
        placement=options.placement_of(queue, priority, spot, start_within, reservation),
        rules=rule or (),
    )
    session.out.note(f"Job {job.id}. Follow it: modelyard jobs logs {job.id} --follow")
    job = options.wait_for(session, job.id) if wait else job
    session.out.done(job, f"{job.id} {job.status}  {pairs(job.result)}  {pairs(job.metrics)}".strip())


def show_output(
    session: Session,
    id: Annotated[str, typer.Argument(help="Id of the job.")],
    to: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Download the files into this folder.")] = None,
) -> None:
    """Files that a job has left; with --to they are downloaded."""
    client = session.client
    with did_you_mean("job", id, lambda: [job.id for job in client.jobs.list()]):
        if to is not None:
            files = client.jobs.download(id, to)
            session.out.done(files, f"{len(files)} files in {to}")
            return
        found = [*client.jobs.output(id)]
    session.out.table(
        found,
        {
            "Path": lambda file: file.path,
            "Bytes": lambda file: f"{file.size_bytes:,}",
            "SHA-256": lambda file: file.digest[:12],
        },
        empty="The job has left no files.",
    )


def rerun(
    session: Session,
    id: Annotated[str, typer.Argument(help="Id of a training, script or processing job that has completed.")],
    verify: Annotated[bool, typer.Option("--verify", help="Wait, and fail unless the same comes out.")] = False,
) -> None:
    """Run a job again from its record; with --verify compare what comes out."""
    client = session.client
    with did_you_mean("job", id, lambda: [job.id for job in client.jobs.list()]):
        job = client.jobs.rerun(id)
    session.out.note(f"Job {job.id}. Follow it: modelyard jobs logs {job.id} --follow")
    if not verify:
        session.out.done(job, f"{job.id} {job.status}")
        return
    options.wait_for(session, job.id)
    found = client.jobs.verification(job.id)
    changes = "; ".join(f"{each.name}: {each.before}, then {each.after}" for each in found.conditions)
    if not found.is_same:
        names = ", ".join(each.name for each in found.differences)
        why = f"What changed meanwhile: {changes}" if changes else "Nothing that is recorded changed meanwhile"
        raise RerunDiffersError(
            f"job {job.id} did not make the same as {id}: {names}",
            hint=f"{why}. The digests: GET .../jobs/{job.id}/verification.",
        )
    session.out.done(found, f"{job.id} made the same as {id}, to the byte.{changes and f' Though {changes}.'}")
