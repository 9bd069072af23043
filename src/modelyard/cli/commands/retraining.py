"""retraining."""

from typing import Annotated

import typer

from modelyard.cli.command import command
from modelyard.cli.commands.compute.options import Spans, read_spans
from modelyard.cli.groups import add_group
from modelyard.cli.output import number, pairs, when
from modelyard.cli.session import Session
from modelyard.cli.suggestions import did_you_mean
from modelyard.types.monitoring import RetrainingPolicy, RetrainingRun
from modelyard.types.retraining.rules import WindowKind

PANEL = "Watching and retraining"
Policy = Annotated[str, typer.Argument(help="Name of the policy.")]
Sure = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def declare(app: typer.Typer) -> None:
    """Add the group."""
    add_group(app, "retraining", _declare, help="Retrain an endpoint's model by rule.", panel=PANEL)


def _declare(group: typer.Typer) -> None:
    command(group, "create")(create_policy)
    command(group, "list")(list_policies)
    command(group, "show")(show_policy)
    command(group, "status")(show_status)
    command(group, "run")(run_policy)
    command(group, "runs")(list_runs)
    command(group, "delete")(delete_policy)


def create_policy(
    session: Session,
    name: Policy,
    endpoint: Annotated[str, typer.Option(help="Endpoint whose model to retrain.")],
    monitor: Annotated[str | None, typer.Option(help="Its DRIFT verdict starts a run.")] = None,
    schedule: Annotated[
        str | None, typer.Option(help="A cron expression in UTC starts runs: '0 3 * * 1' is Mondays at three.")
    ] = None,
    maximum_decay: Annotated[
        float | None, typer.Option(help="A live metric worse than the held-out one by more than this starts a run.")
    ] = None,
    minimum_new_labels: Annotated[
        int, typer.Option(help="Labelled recorded rows that must be there; without a trigger they alone start a run.")
    ] = 200,
    minimum_gain: Annotated[float, typer.Option(help="How much better the new version must be on new rows.")] = 0.01,
    maximum_loss: Annotated[float, typer.Option(help="How much worse it may be on old held-out rows.")] = 0.02,
    maximum_slice_loss: Annotated[float, typer.Option(help="How much worse it may be in any part of the data.")] = 0.05,
    significance: Annotated[float, typer.Option(help="Probability with which chance may pass for proof.")] = 0.05,
    replay: Annotated[int, typer.Option(help="Recorded requests to send to both versions; 0: none.")] = 1000,
    cooldown: Annotated[float, typer.Option(help="Seconds of pause after a run.")] = 3600.0,
    runs_per_week: Annotated[int | None, typer.Option(help="So many runs in seven days at most.")] = None,
    job_seconds_per_week: Annotated[
        float | None, typer.Option(help="So many seconds of jobs in seven days at most.")
    ] = None,
    window: Annotated[
        str, typer.Option(help="Rows to learn from: all, newest:ROWS, since:2026-01-31, weighted:TIMES.")
    ] = "all",
    rollout: Annotated[
        str | None,
        typer.Option(
            help="How a proven version takes over: all_at_once, blue_green, canary, linear, shadow, shadow_canary. If "
            "left out: copies of all requests, then one in a hundred, a minute each."
        ),
    ] = None,
    try_: Spans = None,
    trials: Annotated[int, typer.Option(min=1, help="So many are tried.")] = 20,
) -> None:
    """Retrain an endpoint's model by rule: when, from which rows, and what the new version must prove."""
    with did_you_mean("endpoint", endpoint, lambda: [each.name for each in session.client.endpoints.list()]):
        policy = session.client.retraining.create(
            name,
            endpoint,
            monitor=monitor,
            minimum_new_labels=minimum_new_labels,
            minimum_gain=minimum_gain,
            maximum_loss=maximum_loss,
            cooldown_seconds=cooldown,
            gate={
                "significance_level": significance,
                "maximum_slice_loss": maximum_slice_loss,
                "replay_requests": replay,
            },
            triggers={"schedule": schedule, "maximum_decay": maximum_decay},
            budget={"runs_per_week": runs_per_week, "job_seconds_per_week": job_seconds_per_week},
            window=_window(window),
            rollout=None if rollout is None else {"strategy": rollout},
            tuning={"space": read_spans(try_), "max_trials": trials},
        )
    session.out.done(policy, f"{name} retrains the model of {endpoint}. Run it now: modelyard retraining run {name}")


def list_policies(session: Session) -> None:
    """Retraining policies."""
    session.out.table(
        session.client.retraining.list(),
        {
            "Name": lambda policy: policy.name,
            "Endpoint": lambda policy: policy.endpoint,
            "Starts on": _starts_on,
            "On": lambda policy: "yes" if policy.is_enabled else "no",
        },
        empty="There are no policies. Make one: modelyard retraining create NAME --endpoint ENDPOINT --monitor MONITOR",
    )


def show_policy(session: Session, name: Policy) -> None:
    """A retraining policy, and what it waits for."""
    with did_you_mean("policy", name, lambda: _policies(session)):
        policy = session.client.retraining.get(name)
    gate = policy.gate
    fields = {
        "Policy": policy.name,
        "Endpoint": policy.endpoint,
        "Starts on": _starts_on(policy),
        "New labels": f"at least {policy.minimum_new_labels}",
        "Learns from": _rows(policy),
        "Gain": f"at least {number(policy.minimum_gain)} on new rows",
        "Loss": f"at most {number(policy.maximum_loss)} on old rows, {number(gate.maximum_slice_loss)} in any part",
        "Certainty": f"chance may explain it with probability {number(gate.significance_level)}",
        "Replay": f"{gate.replay_requests} requests, {number(gate.maximum_slowdown)} times the time at most",
        "Looks for": [*policy.tuning.space]
        and f"{', '.join(policy.tuning.space)} in {policy.tuning.max_trials} trials",
        "Pause": f"{policy.cooldown_seconds:g} s",
        "Budget": _budget(policy),
        "On": "yes" if policy.is_enabled else "no",
        "Status": session.client.retraining.status(name).sentence,
    }
    session.out.record(policy, fields)


def show_status(session: Session, name: Policy) -> None:
    """What a policy waits for."""
    with did_you_mean("policy", name, lambda: _policies(session)):
        status = session.client.retraining.status(name)
    session.out.done(status, f"{name}: {status.sentence}")


def run_policy(
    session: Session,
    name: Policy,
    version: Annotated[
        str | None, typer.Option(help="A version that is there already, to prove itself instead of a new one.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait until the run has ended.")] = True,
) -> None:
    """Retrain now, without waiting for drift or labels."""
    with did_you_mean("policy", name, lambda: _policies(session)), session.out.waiting(f"Retraining by {name}"):
        run = session.client.retraining.run(name, version=version, wait=wait)
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


def _window(text: str) -> dict[str, object]:
    """The data window that people write as "newest:1000"."""
    kind, _, value = text.partition(":")
    field = {"newest": "rows", "since": "since", "weighted": "weight"}.get(kind.lower())
    if field is None or not value:
        return {"kind": kind.upper()}
    day_only = len("2026-01-31")
    return {"kind": kind.upper(), field: f"{value}T00:00:00Z" if field == "since" and len(value) == day_only else value}


def _starts_on(policy: RetrainingPolicy) -> str:
    triggers = [
        f"drift of {policy.monitor}" if policy.monitor else "",
        f"schedule {policy.triggers.schedule}" if policy.triggers.schedule else "",
        f"decay by {policy.triggers.maximum_decay:g}" if policy.triggers.maximum_decay is not None else "",
    ]
    return ", ".join(filter(None, triggers)) or f"{policy.minimum_new_labels} new labels"


def _rows(policy: RetrainingPolicy) -> str:
    window = policy.window
    match window.kind:
        case WindowKind.NEWEST:
            return f"the newest {window.rows} rows"
        case WindowKind.SINCE:
            return f"labelled rows since {when(window.since)}"
        case WindowKind.WEIGHTED:
            return f"all rows, the new ones {window.weight} times"
    return "all rows"


def _budget(policy: RetrainingPolicy) -> str:
    budget = policy.budget
    parts = [
        f"{budget.runs_per_week} runs" if budget.runs_per_week is not None else "",
        f"{budget.job_seconds_per_week:g} job seconds" if budget.job_seconds_per_week is not None else "",
    ]
    return " and ".join(filter(None, parts)) + " a week" if any(parts) else "no limit"


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


def _policies(session: Session) -> list[str]:
    return [policy.name for policy in session.client.retraining.list()]
