"""batch, and how far a batch job is in words."""

from pathlib import Path
from typing import Annotated

import typer

from modelyard.cli.output import pairs
from modelyard.cli.session import Session
from modelyard.cli.suggestions import did_you_mean
from modelyard.types.jobs import Job
from modelyard.types.processes import Resources


def batch(
    session: Session,
    model: Annotated[str, typer.Argument(help="NAME (newest version), NAME:VERSION or NAME@ALIAS. Needs no endpoint.")],
    output: Annotated[str, typer.Option(help="Dataset that gets the answers as a new version; made if absent.")],
    dataset: Annotated[str | None, typer.Option(help="A dataset version: houses:3.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="A CSV or Parquet file here; it becomes a version of dataset OUTPUT-input.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--object", help="Key of an object under inputs/PROJECT/ in the platform's store.")
    ] = None,
    address: Annotated[
        str | None, typer.Option("--from-url", help="An https:// address that the platform allows.")
    ] = None,
    format: Annotated[str | None, typer.Option(help="csv or parquet, where the name does not say it.")] = None,
    keep: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Keep this column of the data; may be repeated.")
    ] = None,
    keep_none: Annotated[bool, typer.Option("--keep-none", help="Keep no column: the answers alone.")] = False,
    prefix: Annotated[str, typer.Option(help="In front of the names of the answers' columns.")] = "",
    cpus: Annotated[float | None, typer.Option(help="Cores, and threads that the model uses.")] = None,
    memory: Annotated[
        int | None, typer.Option(metavar="MIB", help="Memory in MiB that ends the job if exceeded.")
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Time after which the job is ended.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait until the answers are a dataset.")] = True,
) -> None:
    """Answer all rows of some data by a model version, and keep the answers as a dataset."""
    client = session.client
    names = lambda: [each.name for each in client.models.list()]  # noqa: E731
    with did_you_mean("model", model.partition(":")[0].partition("@")[0], names):
        job = client.jobs.batch(
            model,
            output=output,
            dataset=dataset,
            file=file,
            object=key,
            url=address,
            format=format,
            keep=[] if keep_none else keep,
            prefix=prefix,
            resources=Resources(cpus=cpus, memory_bytes=memory and memory << 20, time_limit_seconds=time_limit),
        )
    session.out.note(f"Job {job.id}. See how far it is: modelyard jobs show {job.id}")
    if wait:
        with session.out.waiting(f"Job {job.id}") as say:
            job = client.jobs.wait(job.id, on_look=lambda each: say(f"{each.status} {progress_words(each)}"))
    made = job.result.get("dataset", "")
    text = f"{made}  {progress_words(job)}" if made else f"{job.id} {job.status}"
    session.out.done(job, text)


def progress_words(job: Job) -> str:
    """How far a job is: rows and the expected end of a batch job, the metrics of another."""
    progress = job.progress
    if progress is None:
        return pairs(job.metrics)
    share = progress.rows / max(1, progress.total_rows)
    words = f"{progress.rows:,} of {progress.total_rows:,} rows ({share:.0%}), {progress.failed_rows:,} with an error"
    if progress.rows_per_second:
        words += f", {progress.rows_per_second:,.0f} rows/s"
    if progress.expected_end is not None and progress.rows < progress.total_rows:
        words += f", the last at about {progress.expected_end.astimezone():%Y-%m-%d %H:%M:%S}"
    return words
