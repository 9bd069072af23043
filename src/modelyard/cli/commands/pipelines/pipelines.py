"""pipelines."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from modelyard.cli.command import command
from modelyard.cli.commands.compute.options import read_settings
from modelyard.cli.groups import add_group
from modelyard.cli.output import since, when
from modelyard.cli.session import Session
from modelyard.cli.suggestions import did_you_mean
from modelyard.types.pipelines.runs import GraphEdge, PipelineRun, RunStatus, StepState

PANEL = "Training"
Name = Annotated[str, typer.Argument(help="Name of the pipeline.")]
Run = Annotated[str, typer.Argument(help="Id of the run.")]
StepName = Annotated[str | None, typer.Argument(help="The step; may be left out if one alone waits.")]
Comment = Annotated[str, typer.Option(help="Why; it stays in the record.")]


def declare(app: typer.Typer) -> None:
    """Add the group."""
    add_group(app, "pipelines", _declare, help="Define and run pipelines, and look at their runs.", panel=PANEL)


def _declare(group: typer.Typer) -> None:
    command(group, "create")(create)
    command(group, "run")(run)
    command(group, "list")(list_pipelines)
    command(group, "show")(show)
    command(group, "runs")(list_runs)
    command(group, "describe")(describe)
    command(group, "graph")(graph)
    command(group, "approve")(approve)
    command(group, "reject")(reject)
    command(group, "stop")(stop)
    command(group, "delete")(delete)
    command(group, "kinds")(kinds)


def create(
    session: Session,
    file: Annotated[Path, typer.Argument(help="YAML file with the pipeline.")],
    replace: Annotated[bool, typer.Option("--replace", help="Give one of this name another definition.")] = False,
) -> None:
    """Make a pipeline of a YAML file; what does not fit is refused with the field that is at fault."""
    made = session.client.pipelines.create(file, replace=replace)
    session.out.done(made, f"Pipeline {made.name}, version {made.version}. Run it: modelyard pipelines run {made.name}")


def run(
    session: Session,
    name: Name,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter of this run; may be repeated.")
    ] = None,
    cache: Annotated[bool, typer.Option(help="Take unchanged steps from earlier runs.")] = True,
    wait: Annotated[bool, typer.Option(help="Wait until it has ended, or waits for a person.")] = True,
) -> None:
    """Run a pipeline."""
    client = session.client
    with did_you_mean("pipeline", name, lambda: _names(session)):
        started = client.pipelines.run(name, read_settings(set_), use_cache=cache)
    session.out.note(f"Run {started.id}. Its steps: modelyard pipelines describe {started.id}")
    if wait:
        with session.out.waiting(f"Run {started.id}") as say:
            started = client.pipelines.wait(started.id, on_look=lambda look: say(_standing(look)))
    if started.status is RunStatus.WAITING:
        session.out.note(f"It waits for you: modelyard pipelines approve {started.id}")
    session.out.done(started, f"{started.id} is {started.status}. {started.message}".strip())


def list_pipelines(session: Session) -> None:
    """Pipelines, by name."""
    session.out.table(
        session.client.pipelines.list(),
        {
            "Name": lambda pipeline: pipeline.name,
            "Version": lambda pipeline: pipeline.version,
            "Steps": lambda pipeline: len(pipeline.definition.steps),
            "Starts by itself": lambda pipeline: "yes" if pipeline.definition.triggers else "",
            "Changed": lambda pipeline: since(pipeline.updated_at),
            "By": lambda pipeline: pipeline.created_by,
        },
        empty="There are no pipelines yet. Make one: modelyard pipelines create FILE",
    )


def show(session: Session, name: Name) -> None:
    """A pipeline: its parameters, its steps and what starts it."""
    with did_you_mean("pipeline", name, lambda: _names(session)):
        found = session.client.pipelines.get(name)
    definition, triggers = found.definition, found.definition.triggers
    fields = {
        "Pipeline": found.name,
        "Version": found.version,
        "Description": found.description,
        "Parameters": [f"{each}: {how.type}, {how.default}" for each, how in definition.parameters.items()],
        "Steps": [f"{each}: {step.kind}" for each, step in definition.steps.items()],
        "Schedule": triggers.schedule,
        "New versions of": [each.dataset for each in triggers.datasets],
        "Drift found by": [*triggers.monitors],
        "By": found.created_by,
    }
    session.out.record(found, fields)


def list_runs(
    session: Session, name: Annotated[str | None, typer.Argument(help="Only runs of this pipeline.")] = None
) -> None:
    """Runs of pipelines, newest first."""
    session.out.table(
        session.client.pipelines.runs(name),
        {
            "Id": lambda found: found.id,
            "Pipeline": lambda found: found.pipeline,
            "Status": lambda found: found.status,
            "Began": lambda found: since(found.created_at),
            "Why": lambda found: found.cause,
            "What became of it": lambda found: found.message,
        },
        empty="No pipeline has run yet. Start one: modelyard pipelines run NAME",
    )


def describe(session: Session, id: Run) -> None:
    """A run: each step, why it is as it is, and why it was or was not taken from an earlier run."""
    found = session.client.pipelines.describe(id)
    if session.out.is_json:
        session.out.record(found, {})
        return
    session.out.record(
        found,
        {
            "Run": found.id,
            "Pipeline": f"{found.pipeline}, version {found.pipeline_version}",
            "Status": found.status,
            "Why": found.cause,
            "Parameters": [f"{name}={value}" for name, value in found.parameters.items()],
            "Ended": when(found.ended_at),
            "Message": found.message,
        },
    )
    session.out.table(
        found.steps,
        {
            "Step": lambda state: state.name,
            "Kind": lambda state: state.kind,
            "Status": lambda state: state.status,
            "Carried by": lambda state: state.handle,
            "Message": _told,
        },
        empty="It has no steps.",
    )


def graph(session: Session, name: Annotated[str, typer.Argument(help="Name of a pipeline, or id of a run.")]) -> None:
    """What waits for what; of a run also where each step stands."""
    found = session.client.pipelines.graph(name)
    if session.out.is_json:
        session.out.record(found, {})
        return
    session.out.table(
        found.nodes,
        {
            "Step": lambda node: node.name,
            "Kind": lambda node: node.kind,
            "Status": lambda node: node.status or "",
            "Waits for": lambda node: _sources(found.edges, node.name),
        },
        empty="It has no steps.",
    )


def approve(session: Session, id: Run, step: StepName = None, comment: Comment = "") -> None:
    """Say yes to a step that waits for it."""
    found = session.client.pipelines.approve(id, step, comment=comment)
    session.out.done(found, f"{found.id} goes on.")


def reject(session: Session, id: Run, step: StepName = None, comment: Comment = "") -> None:
    """Say no to a step that waits for it: it fails."""
    found = session.client.pipelines.reject(id, step, comment=comment)
    session.out.done(found, f"{found.id} goes on without it.")


def stop(session: Session, id: Run) -> None:
    """Ask a run to stop: its jobs are stopped, and nothing more begins."""
    found = session.client.pipelines.stop(id)
    session.out.done(found, f"{found.id} is {found.status}")


def delete(session: Session, name: Name) -> None:
    """Delete a pipeline; its runs stay."""
    with did_you_mean("pipeline", name, lambda: _names(session)):
        session.client.pipelines.delete(name)
    session.out.done({"deleted": name}, f"Pipeline {name} is deleted.")


def kinds(session: Session) -> None:
    """Kinds of steps, with what they take and give."""
    session.out.table(
        session.client.pipelines.kinds(),
        {
            "Kind": lambda kind: kind.name,
            "Takes": lambda kind: ", ".join(f"{each.name}{'*' * each.is_required}" for each in kind.inputs),
            "Gives": lambda kind: ", ".join(each.name for each in kind.outputs),
            "What it does": lambda kind: kind.description,
        },
        empty="There are none.",
    )


def _names(session: Session) -> list[str]:
    return [each.name for each in session.client.pipelines.list()]


def _standing(run: PipelineRun) -> str:
    ended = sum(state.status.is_final for state in run.steps)
    under_way = [state.name for state in run.steps if state.status == "RUNNING"]
    return f"{run.status}, {ended} of {len(run.steps)} steps{': ' if under_way else ''}{', '.join(under_way)}"


def _told(state: StepState) -> str:
    return " ".join(part for part in (state.message, state.cache) if part)


def _sources(edges: Iterable[GraphEdge], name: str) -> str:
    return ", ".join(f"{edge.source} ({edge.via})" for edge in edges if edge.target == name)
