"""process: make datasets of data by code of one's own."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from modelyard.cli.commands.compute import options
from modelyard.cli.output import pairs
from modelyard.cli.session import Session
from modelyard.types.compute.scheduling import DEFAULT_QUEUE

Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="NAME=DATA",
        help="A dataset (houses:3), an object (inputs/PROJECT/...) or an https:// address; may be repeated.",
    ),
]


def process(
    session: Session,
    output: Annotated[
        list[str], typer.Option(metavar="NAME=DATASET", help="Dataset that an output becomes; may be repeated.")
    ],
    code: Annotated[Path | None, typer.Argument(help="A Python file, or a folder; none with --image.")] = None,
    arguments: Annotated[list[str] | None, typer.Argument(help="Arguments of the script, behind --.")] = None,
    entry_point: Annotated[str, typer.Option(help="File of the folder that is run.")] = "",
    input_: Inputs = None,
    set_: options.Settings = None,
    requirements: options.Requirements = None,
    environment: options.EnvironmentName = "",
    python: options.PythonVersion = "",
    metric: options.MetricPatterns = None,
    image: options.Image = "",
    command: options.ImageCommand = "",
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
    wait: Annotated[bool, typer.Option(help="Wait until the outputs are datasets.")] = True,
) -> None:
    """Make datasets of data by a script of yours, or an image: all that are promised, or none."""
    job = session.client.jobs.process(
        code,
        outputs=options.read_pairs(output),
        inputs=options.read_pairs(input_),
        entry_point=entry_point,
        arguments=arguments or (),
        hyperparameters=options.read_settings(set_),
        requirements=requirements,
        environment=environment,
        python=python,
        metrics=options.read_pairs(metric),
        image=image,
        command=shlex.split(command),
        seed=seed,
        retries=retries,
        resources=options.resources_of(cpus, memory, time_limit, gpus, gpu_kind, gpu_memory, node_label),
        placement=options.placement_of(queue, priority, spot, start_within, reservation),
    )
    session.out.note(f"Job {job.id}. Follow it: modelyard jobs logs {job.id} --follow")
    if wait:
        job = options.wait_for(session, job.id)
    session.out.done(job, f"{job.id} {job.status}  {pairs(job.result)}  {pairs(job.metrics)}".strip())
