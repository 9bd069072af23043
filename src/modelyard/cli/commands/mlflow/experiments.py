"""experiments: what MLflow's server holds, and what MLflow's client needs."""

import shlex
from typing import Annotated

import typer

from modelyard.cli.command import command
from modelyard.cli.groups import add_group
from modelyard.cli.output import number, size, when
from modelyard.cli.session import Session
from modelyard.types.experiments.tracking import Run

PANEL = "Training"
Name = Annotated[str, typer.Argument(help="Name of the experiment; a job's is that of its model.")]
_SHOWN_METRICS = 4


def declare(app: typer.Typer) -> None:
    """Add the group."""
    add_group(app, "experiments", _declare, help="Runs and their metrics, in MLflow.", panel=PANEL)


def _declare(group: typer.Typer) -> None:
    command(group, "list")(list_experiments)
    command(group, "runs")(list_runs)
    command(group, "url")(show_url)
    command(group, "credentials")(print_credentials)
    command(group, "server")(show_server)


def list_experiments(session: Session) -> None:
    """Experiments of the project, the newest first."""
    session.out.table(
        session.client.experiments.list(),
        {
            "Name": lambda experiment: experiment.name,
            "Id": lambda experiment: experiment.id,
            "Made": lambda experiment: when(experiment.created_at),
            "Changed": lambda experiment: when(experiment.updated_at),
        },
        empty="There are no experiments. Train something, or log to one: modelyard experiments credentials",
    )


def list_runs(
    session: Session,
    experiment: Name,
    filter: Annotated[str, typer.Option(help='In MLflow\'s language, e.g. "metrics.loss < 0.1".')] = "",
) -> None:
    """Runs of an experiment, the newest first."""
    session.out.table(
        session.client.experiments.runs(experiment, filter=filter),
        {
            "Run": lambda run: run.name,
            "Id": lambda run: run.id,
            "Status": lambda run: run.status,
            "Metrics": _metrics,
            "Began": lambda run: when(run.started_at),
        },
        empty=f"Experiment '{experiment}' has no such runs.",
    )


def show_url(session: Session) -> None:
    """The address of MLflow's pages, which is also its tracking URI. A browser asks for a password: that is a token."""
    uri = session.client.experiments.tracking_uri
    session.out.done({"url": uri}, uri)


def print_credentials(session: Session) -> None:
    """Lines that let MLflow's client work here: eval "$(modelyard experiments credentials)". They hold the token."""
    variables = session.client.experiments.environment()
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    session.out.done(variables, "\n".join(lines))


def show_server(session: Session) -> None:
    """How MLflow's server stands. It is started by the first request that needs it, and ended when idle."""
    state = session.client.experiments.server()
    fields = {
        "Status": state.status,
        "": state.message,
        "Process": state.pid or "",
        "Memory": size(state.memory_bytes),
        "Started": when(state.started_at),
        "Took": f"{state.start_seconds} s" if state.start_seconds else "",
        "Restarts": state.restarts,
    }
    session.out.record(state, fields)


def _metrics(run: Run) -> str:
    shown = [f"{name}={number(value)}" for name, value in sorted(run.metrics.items())[:_SHOWN_METRICS]]
    return "\n".join(shown)
