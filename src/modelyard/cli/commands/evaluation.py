"""endpoints evaluate, compare, bias, explain: how good an endpoint is on its own traffic, and why it answers so."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from modelyard.cli.command import command
from modelyard.cli.data import DataUnreadableError, read_json
from modelyard.cli.output import number
from modelyard.cli.session import Session
from modelyard.cli.suggestions import did_you_mean
from modelyard.kit.cells import as_scalar
from modelyard.types.evaluation.reports import EvaluationGroup, Figure
from modelyard.types.signatures import Scalar

Name = Annotated[str, typer.Argument(help="Name of the endpoint.")]
Length = Annotated[str, typer.Option("--window", help="How far back: 15m, 24h, 7d.")]
MinimumRows = Annotated[int, typer.Option(min=1, help="Groups with fewer rows get no figures.")]
Bins = Annotated[int, typer.Option(min=2, max=20, help="Quantile bins of a column of numbers.")]
Version = Annotated[str | None, typer.Option(help="Only what this version answered: NAME:NUMBER.")]

_SHOWN = ("accuracy", "macro_f1", "log_loss", "brier_score", "calibration_error", "cost", "rmse", "mae", "r2")


def declare(group: typer.Typer) -> None:
    """Add the commands to the group of endpoints."""
    command(group, "evaluate")(evaluate)
    command(group, "compare")(compare)
    command(group, "bias")(bias)
    command(group, "explain")(explain)


def evaluate(
    session: Session,
    name: Name,
    window: Length = "24h",
    by: Annotated[list[str] | None, typer.Option(help="variant or day; may be given twice.")] = None,
    slice: Annotated[str | None, typer.Option(help="Also by the values of this column.")] = None,
    bins: Bins = 4,
    costs: Annotated[
        Path | None, typer.Option(help="JSON file: truth -> answer -> what it costs.", exists=True, dir_okay=False)
    ] = None,
    version: Version = None,
    minimum_rows: MinimumRows = 30,
) -> None:
    """Quality by version, variant, day and slice, on the rows whose truth is known."""
    with did_you_mean("endpoint", name, lambda: _names(session)), session.out.waiting(f"Evaluating {name}"):
        found = session.client.evaluations.evaluate(
            name,
            window=window,
            by=by or ("variant",),
            slice=slice,
            bins=bins,
            costs=None if costs is None else read_json(costs),
            version=version,
            minimum_rows=minimum_rows,
        )
    if session.out.is_json:
        session.out.record(found, {})
        return
    columns: dict[str, Any] = {"Version": lambda group: group.version}
    for title in ("variant", "day", "slice"):
        if any(getattr(group, title) is not None for group in found.groups):
            columns[title.capitalize() if title != "slice" else str(slice)] = _attribute(title)
    columns |= {"Rows": lambda group: group.rows, "Labelled": lambda group: group.labelled}
    present = {figure.name for group in found.groups for figure in group.figures}
    columns |= {name.replace("_", " "): _figure(name) for name in _SHOWN if name in present}
    columns["Note"] = _notes
    session.out.table(found.groups, columns, empty="Nothing was captured in this window.")
    if found.is_cut:
        session.out.note(f"Only the newest {found.rows:,} rows were looked at.")


def bias(
    session: Session,
    name: Name,
    column: Annotated[str, typer.Option(help="Whose values are the groups.")],
    favourable: Annotated[str, typer.Option(help="The answer that is good for whom it is about.")],
    reference: Annotated[str | None, typer.Option(help="Group to compare with; the largest if left out.")] = None,
    window: Length = "7d",
    bins: Bins = 4,
    version: Version = None,
    minimum_rows: MinimumRows = 30,
) -> None:
    """How groups are treated: selection, true and false positive rates, calibration, and their differences."""
    with did_you_mean("endpoint", name, lambda: _names(session)), session.out.waiting(f"Comparing groups of {column}"):
        report = session.client.evaluations.bias(
            name,
            column,
            as_scalar(favourable),
            reference=reference,
            window=window,
            bins=bins,
            version=version,
            minimum_rows=minimum_rows,
        )
    if session.out.is_json:
        session.out.record(report, {})
        return
    rates = ("selection_rate", "true_positive_rate", "false_positive_rate", "precision", "calibration_gap")
    columns: dict[str, Any] = {
        column: lambda group: group.group,
        "Rows": lambda group: f"{group.rows}{' (too few)' if group.is_small else ''}",
        "Labelled": lambda group: group.labelled,
        **{rate.replace("_", " "): _rate(rate) for rate in rates},
        "Compared with": lambda group: "reference" if group.is_reference else "",
    }
    session.out.table(report.groups, columns, empty="Nothing was captured in this window.")
    for sentence in report.findings:
        session.out.note(sentence)


def compare(
    session: Session,
    name: Name,
    challenger: Annotated[str, typer.Argument(help="A variant or version that runs.")],
    champion: Annotated[str | None, typer.Option(help="Likewise; the main variant if left out.")] = None,
    window: Length = "7d",
    slice: Annotated[list[str] | None, typer.Option(help="Column to look for worse slices in.")] = None,
    bins: Bins = 4,
    rows: Annotated[int, typer.Option(min=1, help="The newest rows, so many at most.")] = 10_000,
    seconds: Annotated[float, typer.Option(help="How long it may take.")] = 60.0,
    minimum_rows: MinimumRows = 30,
) -> None:
    """Two versions on the same recorded requests: differing answers, accuracy, worst slices."""
    with did_you_mean("endpoint", name, lambda: _names(session)), session.out.waiting(f"Asking {challenger}"):
        found = session.client.evaluations.compare(
            name,
            challenger,
            champion,
            window=window,
            slices=slice,
            bins=bins,
            rows=rows,
            seconds=seconds,
            minimum_rows=minimum_rows,
        )
    result = found.challenge
    before, after = _named(result.champion), _named(result.challenger)
    fields = {
        "Champion": found.champion,
        "Challenger": found.challenger,
        "Says": result.sentence,
        "Rows": f"{result.rows:,}, {result.labelled:,} labelled",
        "Left out": f"{found.masked_rows:,} rows, masked: {', '.join(found.masked)}" if found.masked else None,
        "Differing": interval(result.differing),
        "Mean change": interval(result.mean_change),
        "Difference": interval(result.difference),
        "p": result.p_value,
    }
    session.out.record(found, fields)
    if session.out.is_json:
        return
    session.out.table(
        result.champion,
        {
            "Metric": lambda figure: figure.name,
            found.champion: lambda figure: interval(before[figure.name]),
            found.challenger: lambda figure: interval(after.get(figure.name)),
        },
        empty="Too few labelled rows for figures.",
    )
    session.out.table(
        result.slices[:10],
        {
            "Slice": lambda each: f"{each.column} {each.slice}",
            "Difference": lambda each: interval(each.difference),
            "Rows": lambda each: each.difference.n,
            "Worse": lambda each: "yes" if each.is_worse else "",
        },
        empty="No slice has enough labelled rows.",
    )


def explain(
    session: Session,
    name: Name,
    inference: Annotated[str | None, typer.Argument(help="Id of a recorded request; or give --set.")] = None,
    set: Annotated[list[str] | None, typer.Option(help="COLUMN=VALUE, once per column of the row to explain.")] = None,
    row: Annotated[int, typer.Option(min=0, help="Which row of the request.")] = 0,
    variant: Annotated[str | None, typer.Option(help="A variant or version that runs.")] = None,
    target: Annotated[str | None, typer.Option(help="Class to explain; the answered one if left out.")] = None,
    method: Annotated[str, typer.Option(help="auto, exact, trees or sampled.")] = "auto",
    seconds: Annotated[float, typer.Option(help="How long it may take.")] = 5.0,
    background_rows: Annotated[int, typer.Option(min=1, help="Rows to explain against, at most.")] = 64,
) -> None:
    """Why the endpoint answers as it does: what each input adds (SHAP values)."""
    with did_you_mean("endpoint", name, lambda: _names(session)), session.out.waiting(f"Asking {name}"):
        found = session.client.evaluations.explain(
            name,
            inference,
            columns=_columns(set) if set else None,
            row=row,
            variant=variant,
            target=target,
            method=method,
            seconds=seconds,
            background_rows=background_rows,
        )
    fields = {
        "Version": found.version,
        "Says": found.sentence,
        "Output": f"{found.output}, in {found.unit}",
        "Answer": found.answer,
        "On average": f"{number(found.base)} over {found.background_rows} {found.background} rows",
        "Method": f"{found.method}, {found.asked_rows:,} rows asked in {number(found.seconds)} s",
    }
    session.out.record(found, fields)
    if not session.out.is_json:
        session.out.table(
            found.contributions[:20],
            {
                "Input": lambda each: each.feature,
                "Value": lambda each: each.input,
                "Adds": lambda each: f"{each.value:+.4g}",
                "Standard error": lambda each: number(each.standard_error) if each.standard_error else "",
            },
            empty="The model takes no inputs.",
        )


def interval(figure: Figure | None) -> str:
    """A figure with its interval, as people read it."""
    if figure is None or figure.value is None:
        return ""
    if figure.low is None or figure.high is None:
        return number(figure.value)
    return f"{number(figure.value)} ({number(figure.low)} to {number(figure.high)})"


def _columns(given: Iterable[str]) -> dict[str, Scalar | None]:
    pairs = [each.partition("=") for each in given]
    for name, equals, _ in pairs:
        if not equals:
            raise DataUnreadableError(f"'{name}' has no value", hint="Write --set COLUMN=VALUE.")
    return {name: as_scalar(text) if text else None for name, _, text in pairs}


def _attribute(name: str) -> Any:
    return lambda group: getattr(group, name)


def _figure(name: str) -> Any:
    return lambda group: interval(_named(group.figures).get(name))


def _rate(name: str) -> Any:
    return lambda group: interval(_named(group.rates).get(name))


def _named(figures: Iterable[Figure]) -> Mapping[str, Figure]:
    return {figure.name: figure for figure in figures}


def _notes(group: EvaluationGroup) -> str:
    notes = [figure.note for figure in group.figures if figure.note]
    return "; ".join(dict.fromkeys(notes))


def _names(session: Session) -> list[str]:
    return [endpoint.name for endpoint in session.client.endpoints.list()]
