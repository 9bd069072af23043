"""automl."""

from pathlib import Path
from typing import Annotated

import typer

from modelyard.cli.command import command
from modelyard.cli.commands.compute import options
from modelyard.cli.groups import add_group
from modelyard.cli.output import pairs, since
from modelyard.cli.session import Session
from modelyard.cli.suggestions import did_you_mean
from modelyard.types.automl.recipes import AutoMLTask, CandidateSource
from modelyard.types.automl.reports import AutoMLReport, Candidate, SeriesProfile
from modelyard.types.compute.scheduling import DEFAULT_QUEUE
from modelyard.types.jobs import JobKind

PANEL = "Training"
_SHOWN = 15

Data = Annotated[str, typer.Argument(help="Dataset with the table or the images: NAME or NAME:VERSION.")]
Target = Annotated[str | None, typer.Option(help="Column to predict; images need none.")]
Text = Annotated[str, typer.Option(help="Column of texts, for text classification; left out: the one that there is.")]
Task = Annotated[AutoMLTask, typer.Option(help="What is to be learnt; auto: by what the target holds.")]
Horizon = Annotated[int, typer.Option(min=0, help="Steps of time to forecast, for forecasting.")]
TimeColumn = Annotated[str, typer.Option(help="Column with the times, for forecasting; left out: the one there is.")]
SeriesColumn = Annotated[str, typer.Option(help="Column that names each row's series; left out: there is one series.")]
Objective = Annotated[str, typer.Option(help="Figure that decides; left out: the usual one of the task.")]
Id = Annotated[str, typer.Argument(help="Id of the AutoML job.")]


def declare(app: typer.Typer) -> None:
    """Add the group."""
    add_group(app, "automl", _declare, help="Find a good model within a time.", panel=PANEL)


def _declare(group: typer.Typer) -> None:
    command(group, "run")(run)
    command(group, "estimate")(estimate)
    command(group, "list")(list_jobs)
    command(group, "report")(report)
    command(group, "leaderboard")(leaderboard)
    command(group, "script")(script)


def run(
    session: Session,
    data: Data,
    model: Annotated[str, typer.Option(help="Model that gets the winner as its next version; made if absent.")],
    target: Target = None,
    seconds: Annotated[float, typer.Option(min=30, help="Budget, from the start of the job to its end.")] = 600,
    task: Task = AutoMLTask.AUTO,
    text: Text = "",
    horizon: Horizon = 0,
    time_column: TimeColumn = "",
    series_column: SeriesColumn = "",
    objective: Objective = "",
    source: Annotated[CandidateSource, typer.Option(help="Who proposes candidates.")] = CandidateSource.AUTO,
    autogluon: Annotated[
        str, typer.Option(metavar="ENVIRONMENT", help="Environment that has AutoGluon, to compare with.")
    ] = "",
    candidates: Annotated[int | None, typer.Option(min=1, help="End when so many have been tried.")] = None,
    seed: options.Seed = 0,
    cpus: options.Cpus = None,
    memory: options.Memory = None,
    queue: options.Queue = DEFAULT_QUEUE,
    priority: options.Priority = 0,
    spot: options.Spot = False,
    wait: Annotated[bool, typer.Option(help="Wait until the winner is registered.")] = True,
) -> None:
    """Find a good model within a time, and register it."""
    client = session.client
    with did_you_mean("dataset", data.partition(":")[0], lambda: [each.name for each in client.datasets.list()]):
        job = client.automl.start(
            data,
            target=target,
            model=model,
            budget_seconds=seconds,
            task=task,
            text=text,
            horizon=horizon,
            time_column=time_column,
            series_column=series_column,
            objective=objective,
            source=source,
            autogluon=autogluon,
            max_candidates=candidates,
            seed=seed,
            resources=options.resources_of(cpus, memory, None, 0, "", 0, None),
            placement=options.placement_of(queue, priority, spot, None, None),
        )
    session.out.note(f"Job {job.id}. Where it stands: modelyard automl leaderboard {job.id}")
    if wait:
        job = options.wait_for(session, job.id)
    made = job.result.get("model_version", "")
    shown = {name: value for name, value in job.result.items() if "/" not in name and name != "model_version"}
    text = f"Registered {made}  {pairs(shown)}" if made else f"{job.id} {job.status}"
    session.out.done(job, text)


def estimate(
    session: Session,
    data: Data,
    target: Target = None,
    task: Task = AutoMLTask.AUTO,
    text: Text = "",
    horizon: Horizon = 0,
    time_column: TimeColumn = "",
    series_column: SeriesColumn = "",
    objective: Objective = "",
) -> None:
    """Look at the data and say what can be expected, before time is spent."""
    client = session.client
    with did_you_mean("dataset", data.partition(":")[0], lambda: [each.name for each in client.datasets.list()]):
        job = client.automl.start(
            data,
            target=target,
            task=task,
            text=text,
            horizon=horizon,
            time_column=time_column,
            series_column=series_column,
            objective=objective,
            estimate_only=True,
        )
    options.wait_for(session, job.id)
    _show(session, client.automl.report(job.id))


def list_jobs(session: Session) -> None:
    """AutoML jobs, newest first."""
    session.out.table(
        session.client.jobs.list(kind=JobKind.AUTOML),
        {
            "Id": lambda job: job.id,
            "Data": lambda job: ", ".join(f"{each.dataset}:{each.number}" for each in job.recipe.channels.values()),
            "Target": lambda job: job.recipe.target,
            "Model": lambda job: job.result.get("model_version") or job.model,
            "Winner": lambda job: job.result.get("winner"),
            "Status": lambda job: job.status,
            "Made": lambda job: since(job.created_at),
        },
        empty="There are no AutoML jobs yet. Start one: modelyard automl run DATASET --target COLUMN --model NAME",
    )


def report(session: Session, id: Id) -> None:
    """The profile of the data, the estimate, and where the search stands."""
    with did_you_mean("AutoML job", id, lambda: _ids(session)):
        found = session.client.automl.report(id)
    _show(session, found)


def leaderboard(
    session: Session, id: Id, all: Annotated[bool, typer.Option("--all", help="All candidates.")] = False
) -> None:
    """The candidates, best first."""
    with did_you_mean("AutoML job", id, lambda: _ids(session)):
        found = session.client.automl.report(id)
    ranked = found.leaderboard()
    session.out.table(
        ranked if all else ranked[:_SHOWN],
        {
            "Candidate": lambda each: f"{each.number}{' (winner)' if each.number == found.winner else ''}",
            "Algorithm": lambda each: each.algorithm,
            found.objective: _score,
            "Fit (s)": lambda each: f"{each.fit_seconds or 0:.2f}",
            "Row (ms)": lambda each: f"{each.latency_ms or 0:.3f}",
            "From": lambda each: each.source if each.is_deployable else f"{each.source}, not deployable",
        },
        empty="No candidate has been tried to the end yet.",
    )


def script(
    session: Session,
    id: Id,
    output: Annotated[Path | None, typer.Option(help="File to write; left out: it is printed.")] = None,
) -> None:
    """A Python program that trains the winner anew, to the byte."""
    with did_you_mean("AutoML job", id, lambda: _ids(session)):
        text = session.client.automl.script(id)
    if output is None:
        for line in text.splitlines():
            session.out.line(line)
        return
    output.write_text(text, encoding="utf-8")
    session.out.done({"file": str(output)}, f"Wrote {output}")


def _show(session: Session, found: AutoMLReport) -> None:
    profile, feasibility = found.profile, found.feasibility
    fields = {
        "Task": found.task,
        "Objective": f"{'maximise' if found.is_objective_maximised else 'minimise'} {found.objective}",
        "Rows": profile and f"{profile.rows:,}, of which {profile.held_out_rows:,} are held out",
        "Series": profile and profile.series and _series(profile.series),
        "Target": profile and pairs(profile.classes or profile.target),
        "Repeated rows": profile and profile.duplicate_rows,
        "Suspected leakage": profile and profile.leakage,
        "Warnings": profile and profile.warnings,
        "Outlook": feasibility and feasibility.outlook,
        "Why": feasibility and feasibility.reason,
        "Budget": f"{found.budget_seconds:g} s, of which {found.spent_seconds:.1f} s are spent",
        "Candidates": len(found.candidates),
        "Winner": "" if found.winner is None else f"{found.winner}  {pairs(found.holdout)}",
    }
    session.out.record(found, fields)


def _score(candidate: Candidate) -> str:
    return "-" if candidate.score is None else f"{candidate.score:.5g} ± {candidate.score_error or 0:.2g}"


def _series(found: SeriesProfile) -> str:
    seasons = " and ".join(map(str, found.seasons)) or "none"
    count = f"{found.series:,} of {found.shortest:,} to {found.longest:,} steps" if found.series > 1 else found.longest
    return (
        f"{count}, frequency {found.frequency}, season {seasons}: {found.window} values tell {found.horizon}; "
        f"{found.gaps:,} gaps, {found.constant:,} constant"
    )


def _ids(session: Session) -> list[str]:
    return [job.id for job in session.client.jobs.list(kind=JobKind.AUTOML)]
