"""monitors, events."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from modelyard.cli.command import command
from modelyard.cli.groups import add_group
from modelyard.cli.output import number, since, when
from modelyard.cli.session import Session
from modelyard.cli.suggestions import did_you_mean
from modelyard.types.monitoring import DriftReport
from modelyard.types.monitoring import Monitor as MonitorDescription

PANEL = "Watching and retraining"
Monitor = Annotated[str, typer.Argument(help="Name of the monitor.")]
Endpoint = Annotated[str, typer.Option(help="Endpoint to watch.")]
Sure = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def declare(app: typer.Typer) -> None:
    """Add the group and the command."""
    add_group(app, "monitors", _declare_monitors, help="Watch an endpoint's traffic for drift.", panel=PANEL)
    command(app, "events", panel=PANEL)(list_events)


def _declare_monitors(group: typer.Typer) -> None:
    command(group, "create")(create_monitor)
    command(group, "list")(list_monitors)
    command(group, "show")(show_monitor)
    command(group, "run")(run_monitor)
    command(group, "reports")(list_reports)
    command(group, "silence")(silence_monitor)
    command(group, "acknowledge")(acknowledge_monitor)
    command(group, "delete")(delete_monitor)


def create_monitor(
    session: Session,
    name: Monitor,
    endpoint: Endpoint,
    detector: Annotated[
        list[str] | None, typer.Option(help="What to look for: drift if left out. May be repeated; see detectors list.")
    ] = None,
    interval: Annotated[float, typer.Option(help="Seconds from one check to the next.")] = 3600.0,
    cron: Annotated[str | None, typer.Option(help="Times of the checks in UTC instead: '0 6 * * 1-5'.")] = None,
    every_rows: Annotated[int | None, typer.Option(help="Check after so many new rows instead.")] = None,
    baseline: Annotated[
        str, typer.Option(help="What to compare with: training, previous-week or endpoint/NAME.")
    ] = "training",
    minimum_rows: Annotated[int, typer.Option(help="Fewer rows give no verdict.")] = 100,
    window_rows: Annotated[int, typer.Option(help="How many of the newest rows a check looks at.")] = 1000,
    alarms_per_week: Annotated[float, typer.Option(help="False alarms a week that you accept.")] = 1.0,
    channel: Annotated[list[str] | None, typer.Option(help="Alert channel to tell. May be repeated.")] = None,
) -> None:
    """Compare an endpoint's traffic with the data its model was trained on, again and again."""
    with did_you_mean("endpoint", endpoint, lambda: _endpoints(session)):
        monitor = session.client.monitors.create(
            name,
            endpoint,
            detectors=detector or ("drift",),
            interval_seconds=interval,
            cron=cron,
            every_rows=every_rows,
            baseline=baseline,
            minimum_rows=minimum_rows,
            window_rows=window_rows,
            alarms_per_week=alarms_per_week,
            channels=channel or (),
        )
    session.out.done(monitor, f"{name} watches {endpoint} {_when(monitor)}. Check now: modelyard monitors run {name}")


def list_monitors(session: Session) -> None:
    """Monitors with their last verdicts."""
    session.out.table(
        session.client.monitors.list(),
        {
            "Name": lambda monitor: monitor.name,
            "Endpoint": lambda monitor: monitor.endpoint,
            "On": lambda monitor: "yes" if monitor.is_enabled else "no",
            "Verdict": lambda monitor: monitor.last_report.verdict if monitor.last_report else "",
            "Says": lambda monitor: monitor.last_report.sentence if monitor.last_report else "",
            "Checked": lambda monitor: since(monitor.last_report.at) if monitor.last_report else "",
        },
        empty="There are no monitors. Make one: modelyard monitors create NAME --endpoint ENDPOINT",
    )


def show_monitor(session: Session, name: Monitor) -> None:
    """A monitor with its last report."""
    with did_you_mean("monitor", name, lambda: _monitors(session)):
        monitor = session.client.monitors.get(name)
    report = monitor.last_report
    fields = {
        "Monitor": monitor.name,
        "Endpoint": monitor.endpoint,
        "Looks for": ", ".join(monitor.detectors),
        "Compares with": monitor.baseline,
        "Checks": _when(monitor),
        "Rows": f"the newest {monitor.window_rows}, at least {monitor.minimum_rows}",
        "False alarms": f"{monitor.alarms_per_week:g} a week",
        "Tells": ", ".join(monitor.channels),
        "On": "yes" if monitor.is_enabled else "no",
        "Silenced until": when(monitor.silenced_until) if monitor.silenced_until else "",
        "Acknowledged": "yes" if monitor.acknowledged else "",
        "Verdict": report.verdict if report else "",
        "Says": report.sentence if report else "",
    }
    session.out.record(monitor, fields)
    if report and not session.out.is_json:
        _show_findings(session, report)


def run_monitor(session: Session, name: Monitor) -> None:
    """Check now."""
    with did_you_mean("monitor", name, lambda: _monitors(session)), session.out.waiting(f"Checking {name}"):
        report = session.client.monitors.run(name)
    session.out.record(report, {"Verdict": report.verdict, "Says": report.sentence, "Rows": report.rows})
    if not session.out.is_json:
        _show_findings(session, report)


def list_reports(session: Session, name: Monitor) -> None:
    """Verdicts of a monitor, newest first."""
    with did_you_mean("monitor", name, lambda: _monitors(session)):
        reports = [*session.client.monitors.reports(name)]
    session.out.table(
        reports,
        {
            "At": lambda report: when(report.at),
            "Version": lambda report: report.model_version,
            "Verdict": lambda report: report.verdict,
            "Rows": lambda report: report.rows,
            "Says": lambda report: report.sentence,
        },
        empty="It has not checked yet.",
    )


def silence_monitor(
    session: Session,
    name: Monitor,
    hours: Annotated[float, typer.Option(min=0, help="For how long; 0: alerts again from now on.")] = 24.0,
) -> None:
    """Send no alerts for a while; checks and events go on."""
    until = datetime.now(UTC) + timedelta(hours=hours) if hours else None
    with did_you_mean("monitor", name, lambda: _monitors(session)):
        monitor = session.client.monitors.silence(name, until)
    session.out.done(monitor, f"{name} tells nobody for {hours:g} hours." if until else f"{name} alerts again.")


def acknowledge_monitor(session: Session, name: Monitor) -> None:
    """Take note of the trouble: no reminders while it lasts."""
    with did_you_mean("monitor", name, lambda: _monitors(session)):
        monitor = session.client.monitors.acknowledge(name)
    session.out.done(monitor, f"{name}: acknowledged. The next trouble alerts again.")


def delete_monitor(session: Session, name: Monitor, yes: Sure = False) -> None:
    """Delete a monitor and its reports."""
    session.confirm(f"Delete monitor {name}?", is_sure=yes)
    with did_you_mean("monitor", name, lambda: _monitors(session)):
        session.client.monitors.delete(name)
    session.out.done({"deleted": name}, f"Deleted monitor {name}.")


def list_events(
    session: Session,
    subject: Annotated[
        str | None, typer.Option(help="Only what happened to this: endpoint/NAME, monitor/NAME.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to show.")] = 30,
) -> None:
    """What happened, newest first."""
    found = []
    for event in session.client.events.list(subject=subject):
        found.append(event)
        if len(found) == limit:
            break
    session.out.table(
        found,
        {
            "At": lambda event: when(event.at),
            "Subject": lambda event: event.subject,
            "Kind": lambda event: event.kind,
            "Message": lambda event: event.message,
        },
        empty="Nothing happened yet.",
    )


def _when(monitor: MonitorDescription) -> str:
    if monitor.every_rows is not None:
        return f"every {monitor.every_rows} rows"
    return f"at {monitor.cron} (UTC)" if monitor.cron else f"every {monitor.interval_seconds:g} s"


def _show_findings(session: Session, report: DriftReport) -> None:
    session.out.table(
        sorted(report.findings, key=lambda finding: (not finding.is_drifted, finding.p_value))[:15],
        {
            "Column": lambda finding: finding.column,
            "About": lambda finding: finding.kind.replace("_", " "),
            "Drifted": lambda finding: "yes" if finding.is_drifted else "",
            "Effect": lambda finding: f"{number(finding.effect)} {finding.effect_unit}",
            "p": lambda finding: number(finding.p_value),
            "What": lambda finding: finding.description,
        },
        empty="The report names no columns.",
    )


def _endpoints(session: Session) -> list[str]:
    return [each.name for each in session.client.endpoints.list()]


def _monitors(session: Session) -> list[str]:
    return [monitor.name for monitor in session.client.monitors.list()]
