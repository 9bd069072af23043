"""endpoints scale, endpoints plan."""

import re
from dataclasses import replace
from typing import Annotated

import typer

from modelyard.cli.output import number
from modelyard.cli.session import Session
from modelyard.cli.suggestions import did_you_mean
from modelyard.types.endpoints import Scaling
from modelyard.types.planning import Plan

_UNITS = {"ms": 1.0, "s": 1000.0, "m": 60_000.0, "h": 3_600_000.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


def milliseconds(text: str) -> float:
    """A time such as "20ms", "1.5s" or "5m", in milliseconds.

    Raises:
        ValueError: it is neither; typer says so as a mistake in the option.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None or float(found[1]) <= 0:
        raise ValueError(f"'{text}' is no time such as 20ms, 1.5s or 5m")
    return float(found[1]) * _UNITS[found[2]]


Objective = Annotated[
    float | None,
    typer.Option(parser=milliseconds, metavar="TIME", help="99 of 100 answers shall come within this time: 20ms."),
]


def scale(
    session: Session,
    name: Annotated[str, typer.Argument(help="Name of the endpoint.")],
    replicas: Annotated[int | None, typer.Argument(min=1, help="Worker processes, from now on always so many.")] = None,
    variant: Annotated[str | None, typer.Option(help="Only of this variant.")] = None,
    minimum: Annotated[int | None, typer.Option("--min", min=0, help="As few as this; 0: none while idle.")] = None,
    maximum: Annotated[int | None, typer.Option("--max", min=1, help="As many as this, as requests come.")] = None,
    idle: Annotated[
        float | None,
        typer.Option(parser=milliseconds, metavar="TIME", help="Down to --min after so long without a request: 5m."),
    ] = None,
    p99: Objective = None,
) -> None:
    """Change the number of worker processes, or let it follow the requests between --min and --max."""
    is_ranged = any(value is not None for value in (minimum, maximum, idle, p99))
    if is_ranged == (replicas is not None):
        raise typer.BadParameter("give a number of replicas, or --min, --max, --idle and --p99")
    if is_ranged and variant is not None:
        raise typer.BadParameter("--variant goes with a number of replicas; --min and --max hold for every variant")
    client = session.client
    with did_you_mean("endpoint", name, lambda: [endpoint.name for endpoint in client.endpoints.list()]):
        if replicas is not None:
            endpoint = client.endpoints.scale(name, replicas, variant=variant)
            session.out.done(endpoint, f"{name} {endpoint.status}: {replicas} replicas wanted.")
            return
        before = client.endpoints.get(name).scaling or Scaling()
        scaling = replace(
            before,
            minimum_replicas=before.minimum_replicas if minimum is None else minimum,
            maximum_replicas=maximum or max(before.maximum_replicas, minimum or 0),
            idle_seconds=before.idle_seconds if idle is None else idle / 1000,
            p99_ms=p99 or before.p99_ms,
        )
        endpoint = client.endpoints.update(name, scaling=scaling)
    session.out.done(endpoint, f"{name} {endpoint.status}: {scaling_words(scaling)}.")


def plan(
    session: Session,
    target: Annotated[str, typer.Argument(help="An endpoint, or a model: NAME, NAME:VERSION or NAME@ALIAS.")],
    rps: Annotated[float, typer.Option(help="Requests a second.")],
    p99: Objective = None,
    rows: Annotated[float, typer.Option(min=1, help="Rows of a request.")] = 1.0,
    replicas: Annotated[int | None, typer.Option(min=1, help="Predict for so many, not for the fewest.")] = None,
    measure: Annotated[bool, typer.Option("--measure", help="Measure the version anew.")] = False,
) -> None:
    """What a load needs before it comes: replicas, p50, p99, capacity and cost."""
    client = session.client
    names = lambda: [endpoint.name for endpoint in client.endpoints.list()]  # noqa: E731
    with did_you_mean("endpoint", target, names), session.out.waiting(f"Plan for {target}"):
        found = client.endpoints.plan(
            target,
            requests_per_second=rps,
            p99_ms=p99,
            rows_per_request=rows,
            replicas=replicas,
            is_measured_anew=measure,
        )
    session.out.record(found, _fields(found))


def scaling_words(scaling: Scaling | None) -> str:
    """How an endpoint scales, in words; "" if it does not by itself."""
    if scaling is None:
        return ""
    words = f"{scaling.minimum_replicas} to {scaling.maximum_replicas} replicas, idle after {scaling.idle_seconds:g} s"
    return words + (f", p99 under {scaling.p99_ms:g} ms" if scaling.p99_ms is not None else "")


def _fields(plan: Plan) -> dict[str, object]:
    fields: dict[str, object] = {
        "Model": plan.model,
        "Load": f"{plan.requests_per_second:g} requests/s"
        + (f", p99 under {plan.p99_ms:g} ms" if plan.p99_ms is not None else ""),
        "Verdict": plan.reason or "it will do",
    }
    prediction = plan.prediction
    if prediction is None:
        return fields
    return fields | {
        "Replicas": prediction.replicas,
        "p50": "" if prediction.p50_ms is None else f"{number(prediction.p50_ms)} ms",
        "p99": "" if prediction.p99_ms is None else f"{number(prediction.p99_ms)} ms",
        "Busy": f"{prediction.utilisation:.0%} of the time",
        "Batch": f"{prediction.mean_batch:.1f} requests on average",
        "Capacity": f"{prediction.capacity:.0f} requests/s",
        "Memory": f"{plan.memory_bytes / 2**20:.0f} MiB",
        "CPU": f"{plan.cpu_seconds_per_1000:.3g} s for 1,000 requests",
        "Measured": plan.measured_at,
    }
