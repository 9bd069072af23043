"""captures: what is recorded of an endpoint's traffic, and questions about it."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from modelyard.cli.command import command
from modelyard.cli.groups import add_group
from modelyard.cli.output import number
from modelyard.cli.session import Session
from modelyard.cli.suggestions import did_you_mean
from modelyard.types.endpoints import Masking

PANEL = "Serving"
Name = Annotated[str, typer.Argument(help="Name of the endpoint.")]
Since = Annotated[datetime | None, typer.Option(help="Only what happened at or after this time (local).")]
Until = Annotated[datetime | None, typer.Option(help="Only what happened at or before this time (local).")]
Variant = Annotated[str | None, typer.Option(help="Only what this variant answered.")]
Version = Annotated[str | None, typer.Option(help="Only what this version answered: digits:2.")]


def declare(app: typer.Typer) -> None:
    """Add the group."""
    add_group(app, "captures", _declare, help="What is recorded of the traffic, and questions about it.", panel=PANEL)


def _declare(group: typer.Typer) -> None:
    command(group, "rules")(rules)
    command(group, "query")(query)
    command(group, "export")(export)
    command(group, "feedback")(feedback)
    command(group, "delete")(delete)


def rules(
    session: Session,
    name: Name,
    share: Annotated[float | None, typer.Option(min=0, max=1, help="Share of the requests to record.")] = None,
    keep_days: Annotated[float | None, typer.Option(min=0, help="Delete what is older; 0: by the setting.")] = None,
    personal: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN=hash|drop|keep", help="What to do with a personal column.")
    ] = None,
) -> None:
    """Show or change what is recorded of an endpoint's requests, from the next request on."""
    client = session.client
    with did_you_mean("endpoint", name, lambda: _names(session)):
        endpoint = client.endpoints.get(name)
        capture = endpoint.capture
        if keep_days is not None:
            capture = replace(capture, retention_days=keep_days or None)
        capture = replace(capture, personal_columns=_personal(capture.personal_columns, personal or []))
        if share is not None or capture != endpoint.capture:
            endpoint = client.endpoints.update(name, capture_share=share, capture=capture)
    kept = endpoint.capture.retention_days
    fields = {
        "Endpoint": endpoint.name,
        "Recorded": f"{endpoint.capture_share:.0%} of the requests",
        "Kept for": f"{kept:g} days" if kept else "as long as the platform's setting says",
        "Personal": [f"{column}: {rule}" for column, rule in endpoint.capture.personal_columns.items()],
    }
    session.out.record(endpoint, fields)


def query(
    session: Session,
    name: Name,
    sql: Annotated[str, typer.Argument(help="One SELECT over the table `inferences`, in DuckDB's SQL.")],
    since: Since = None,
    until: Until = None,
    variant: Variant = None,
    version: Version = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Rows to show at most.")] = 100,
) -> None:
    """Ask about captured inferences in SQL: one row per row of a request."""
    with did_you_mean("endpoint", name, lambda: _names(session)), session.out.waiting("Query"):
        answer = session.client.captures.query(
            name, sql, since=_local(since), until=_local(until), variant=variant, version=version, limit=limit
        )
    if session.out.is_json:
        session.out.done(answer, "")
        return
    columns = {title: lambda row, place=place: row[place] for place, title in enumerate(answer.columns)}
    session.out.table(answer.rows, columns, empty="No rows.")
    if answer.is_truncated:
        session.out.note(f"There are more than {limit} rows: --limit shows more, `captures export` writes all.")


def export(
    session: Session,
    name: Name,
    target: Annotated[Path, typer.Argument(help="File to write: .parquet or .csv.")],
    where: Annotated[str | None, typer.Option(help="SQL condition that chooses a slice: 'age > 50'.")] = None,
    since: Since = None,
    until: Until = None,
    variant: Variant = None,
    version: Version = None,
) -> None:
    """Write captured inferences with their truth to a file."""
    with did_you_mean("endpoint", name, lambda: _names(session)), session.out.waiting("Export"):
        written = session.client.captures.export(
            name, target, where=where, since=_local(since), until=_local(until), variant=variant, version=version
        )
    session.out.done({"written": str(written)}, f"Wrote {written}.")


def feedback(
    session: Session,
    name: Name,
    late_after: Annotated[str, typer.Option(help="Truth that came later than this after its answer is late.")] = "7d",
) -> None:
    """What became of the ground truth: matched with captures, pending, unknown, late, twice, different."""
    with did_you_mean("endpoint", name, lambda: _names(session)):
        found = session.client.captures.feedback_summary(name, late_after=late_after)
    fields = {
        "Endpoint": found.endpoint,
        "Inferences": f"{found.inferences} with {found.labels} labels",
        "Matched": found.matched,
        "Pending": f"{found.pending} (no capture yet)",
        "Unknown": f"{found.unknown} (no capture)",
        "Late": f"{found.late} after more than {late_after}",
        "Conflicting": found.conflicting,
        "Duplicates": found.duplicates,
        "Delay": f"{number(found.mean_delay_seconds)} s on average" if found.mean_delay_seconds is not None else "",
    }
    session.out.record(found, fields)


def delete(
    session: Session,
    name: Name,
    until: Annotated[datetime, typer.Option(help="What happened at or before this time (local).")],
    since: Since = None,
    variant: Variant = None,
    version: Version = None,
    principal: Annotated[str | None, typer.Option(help="Only what the token with this id asked.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete captured inferences and their truth for good."""
    session.confirm(f"Delete captured inferences of {name}?", is_sure=yes)
    with did_you_mean("endpoint", name, lambda: _names(session)):
        deleted = session.client.captures.delete(
            name,
            until=until.astimezone(UTC),
            since=_local(since),
            variant=variant,
            version=version,
            principal=principal,
        )
    session.out.done(deleted, f"Deleted {deleted.inferences} inferences.")


def _personal(before: dict[str, Masking], changes: list[str]) -> dict[str, Masking]:
    wanted = dict(before)
    for change in changes:
        column, _, rule = change.rpartition("=")
        if not column or rule not in (*Masking, "keep"):
            raise typer.BadParameter(f"'{change}' is not COLUMN=hash, COLUMN=drop or COLUMN=keep")
        wanted.pop(column, None)
        if rule != "keep":
            wanted[column] = Masking(rule)
    return wanted


def _local(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment else None


def _names(session: Session) -> list[str]:
    return [endpoint.name for endpoint in session.client.endpoints.list()]
