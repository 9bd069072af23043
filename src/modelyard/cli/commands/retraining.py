"""retraining."""

from typing import Annotated

import typer

from modelyard.cli.command import command
from modelyard.cli.groups import add_group
from modelyard.cli.output import number, pairs, when
from modelyard.cli.session import Session
from modelyard.cli.suggestions import did_you_mean
from modelyard.types.monitoring import RetrainingRun

PANEL = "Watching and retraining"
Policy = Annotated[str, typer.Argument(help="Name of the policy.")]
Endpoint = Annotated[str, typer.Option(help="Endpoint to watch.")]
Sure = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def declare(app: typer.Typer) -> None:
    """Add the group."""
    add_group(app, "retraining", _declare_retraining, help="Retrain an endpoint's model by rule.", panel=PANEL)


def _declare_retraining(group: typer.Typer) -> None:
    command(group, "create")(create_policy)
    command(group, "list")(list_policies)
    command(group, "show")(show_policy)
    command(group, "run")(run_policy)
    command(group, "runs")(list_runs)
    command(group, "delete")(delete_policy)


def create_policy(
    session: Session,
    name: Policy,
    endpoint: Endpoint,
    monitor: Annotated[
        str | None, typer.Option(help="Its DRIFT verdict starts a run; else new labels alone do.")
    ] = None,
    minimum_new_labels: Annotated[int, typer.Option(help="Labelled recorded rows that must be there.")] = 200,
    minimum_gain: Annotated[float, typer.Option(help="How much better the new version must be on new rows.")] = 0.01,
    maximum_loss: Annotated[float, typer.Option(help="How much worse it may be on old held-out rows.")] = 0.02,
    cooldown: Annotated[float, typer.Option(help="Seconds of pause after a run.")] = 3600.0,
) -> None:
    """Retrain an endpoint's model by rule: when, and what the new version must prove."""
    with did_you_mean("endpoint", endpoint, lambda: _endpoints(session)):
        policy = session.client.retraining.create(
            name,
            endpoint,
            monitor=monitor,
            minimum_new_labels=minimum_new_labels,
            minimum_gain=minimum_gain,
            maximum_loss=maximum_loss,
            cooldown_seconds=cooldown,
        )
    session.out.done(policy, f"{name} retrains the model of {endpoint}. Run it now: modelyard retraining run {name}")


def list_policies(session: Session) -> None:
    """Retraining policies."""
    session.out.table(
        session.client.retraining.list(),
        {
            "Name": lambda policy: policy.name,
            "Endpoint": lambda policy: policy.endpoint,
            "Starts on": lambda policy: (
                f"drift of {policy.monitor}" if policy.monitor else f"{policy.minimum_new_labels} new labels"
            ),
            "On": lambda policy: "yes" if policy.is_enabled else "no",
        },
        empty="There are no policies. Make one: modelyard retraining create NAME --endpoint ENDPOINT --monitor MONITOR",
    )


def show_policy(session: Session, name: Policy) -> None:
    """A retraining policy."""
    with did_you_mean("policy", name, lambda: _policies(session)):
        policy = session.client.retraining.get(name)
    fields = {
        "Policy": policy.name,
        "Endpoint": policy.endpoint,
        "Monitor": policy.monitor,
        "New labels": f"at least {policy.minimum_new_labels}",
        "Gain": f"at least {number(policy.minimum_gain)} on new rows",
        "Loss": f"at most {number(policy.maximum_loss)} on old rows",
        "Pause": f"{policy.cooldown_seconds:g} s",
        "On": "yes" if policy.is_enabled else "no",
    }
    session.out.record(policy, fields)


def run_policy(
    session: Session, name: Policy, wait: Annotated[bool, typer.Option(help="Wait until the run has ended.")] = True
) -> None:
    """Retrain now, without waiting for drift or labels."""
    with did_you_mean("policy", name, lambda: _policies(session)), session.out.waiting(f"Retraining by {name}"):
        run = session.client.retraining.run(name, wait=wait)
    _show_run(session, run)


def list_runs(session: Session, name: Policy) -> None:
    """Runs of a policy, newest first: cause, outcome, reason."""
    with did_you_mean("policy", name, lambda: _policies(session)):
        runs = [*session.client.retraining.runs(name)]
    session.out.table(
        runs,
        {
            "Id": lambda run: run.id,
            "Status": lambda run: run.status,
            "From": lambda run: run.old_version,
            "To": lambda run: run.new_version,
            "Cause": lambda run: run.cause,
            "Why": lambda run: run.reason,
            "Started": lambda run: when(run.started_at),
        },
        empty="It has not run yet.",
    )


def delete_policy(session: Session, name: Policy, yes: Sure = False) -> None:
    """Delete a retraining policy."""
    session.confirm(f"Delete policy {name}?", is_sure=yes)
    with did_you_mean("policy", name, lambda: _policies(session)):
        session.client.retraining.delete(name)
    session.out.done({"deleted": name}, f"Deleted policy {name}.")


def _show_run(session: Session, run: RetrainingRun) -> None:
    fields = {
        "Run": run.id,
        "Status": run.status,
        "Why": run.reason,
        "Cause": run.cause,
        "From": run.old_version,
        "To": run.new_version,
        "Job": run.job,
        "Figures": pairs(run.figures),
    }
    session.out.record(run, fields)


def _endpoints(session: Session) -> list[str]:
    return [each.name for each in session.client.endpoints.list()]


def _policies(session: Session) -> list[str]:
    return [policy.name for policy in session.client.retraining.list()]
