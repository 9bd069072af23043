"""deploy, endpoints, predict, feedback."""

from pathlib import Path
from typing import Annotated, Any

import typer

from modelyard.cli.command import command
from modelyard.cli.commands.compute.batch import batch
from modelyard.cli.commands.compute.idle import idle, warm
from modelyard.cli.commands.evaluation import declare as declare_evaluation
from modelyard.cli.commands.rollouts import (
    Approval,
    Share,
    StageRequests,
    StageTime,
    Strategy,
    approve,
    options,
    rollback,
    rollouts,
)
from modelyard.cli.commands.scaling import plan, scale, scaling_words
from modelyard.cli.data import read_data, read_truth
from modelyard.cli.groups import add_group
from modelyard.cli.output import number, since, when
from modelyard.cli.session import Session
from modelyard.cli.suggestions import did_you_mean
from modelyard.errors import InvalidInputError
from modelyard.kit.cells import as_scalar
from modelyard.types.endpoints import Endpoint
from modelyard.types.monitoring import LiveMetrics, QualityPoint

PANEL = "Serving"
Name = Annotated[str, typer.Argument(help="Name of the endpoint.")]
Sure = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


class TruthMissingError(InvalidInputError):
    """Feedback without a truth."""

    code = "truth_missing"


def declare(app: typer.Typer) -> None:
    """Add the commands and the group."""
    command(app, "deploy", panel=PANEL)(deploy)
    command(app, "predict", panel=PANEL)(predict)
    command(app, "predict-from", panel=PANEL)(predict_from)
    command(app, "batch", panel=PANEL)(batch)
    command(app, "feedback", panel=PANEL)(feedback)
    add_group(app, "endpoints", _declare_endpoints, help="Look at endpoints, scale, stop and delete them.", panel=PANEL)


def _declare_endpoints(group: typer.Typer) -> None:
    command(group, "list")(list_)
    command(group, "show")(show)
    command(group, "plan")(plan)
    command(group, "scale")(scale)
    command(group, "idle")(idle)
    command(group, "warm")(warm)
    command(group, "stop")(stop)
    command(group, "start")(start)
    command(group, "delete")(delete)
    command(group, "metrics")(metrics)
    declare_evaluation(group)
    command(group, "inferences")(inferences)
    command(group, "rollouts")(rollouts)
    command(group, "approve")(approve)
    command(group, "rollback")(rollback)


def deploy(
    session: Session,
    model: Annotated[str, typer.Argument(help="NAME (newest version), NAME:VERSION or NAME@ALIAS.")],
    endpoint: Annotated[str, typer.Option(help="Where to serve it; made if absent, else its traffic moves over.")],
    wait: Annotated[bool, typer.Option(help="Wait until it answers.")] = True,
    replicas: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
    capture_share: Annotated[float | None, typer.Option(min=0, max=1, help="Share of requests to record.")] = None,
    rollout: Strategy = None,
    share: Share = None,
    stage: StageTime = None,
    stage_requests: StageRequests = None,
    approval: Approval = False,
    isolated: Annotated[
        bool | None, typer.Option("--isolated/--shared", help="Whether it has processes without other models.")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait at most.")] = 300.0,
) -> None:
    """Serve a model version at an endpoint, without a failed request."""
    client = session.client
    how = options(rollout, share, stage, stage_requests, approval=approval)
    names = lambda: [each.name for each in client.models.list()]  # noqa: E731
    with did_you_mean("model", model, names), session.out.waiting(f"Endpoint {endpoint}") as say:
        found = client.endpoints.deploy(
            endpoint,
            model,
            replicas=replicas,
            capture_share=capture_share,
            rollout=how,
            is_isolated=isolated,
            wait=wait,
            timeout_seconds=timeout,
            on_look=lambda each: say(f"{each.status} {each.reason}"),
        )
    serves = ", ".join(f"{variant.model}:{variant.number}" for variant in found.variants)
    session.out.done(found, f"{found.name} {found.status}  {serves}  {_address(session, found)}")


def predict(
    session: Session,
    endpoint: Name,
    data: Annotated[
        list[str],
        typer.Argument(
            help="CSV, JSON, npy or npz file, image files, JSON text, or - for CSV or JSON from standard input."
        ),
    ],
    variant: Annotated[str | None, typer.Option(help="Ask this variant or version number.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Also why, for at most 16 rows.")] = False,
    seconds: Annotated[float, typer.Option(help="How long the explanations may take in all.")] = 5.0,
) -> None:
    """Ask a model: labels with confidences, or values."""
    client = session.client
    with did_you_mean("endpoint", endpoint, lambda: _names(session)):
        description = client.describe(endpoint)
        rows = read_data(data, description)
        answer = client.predict(endpoint, rows, variant=variant, explain=explain, explain_seconds=seconds)
    if session.out.is_json:
        value = {
            "inference_id": answer.inference_id,
            "endpoint": answer.endpoint,
            "model": answer.model,
            "variant": answer.variant,
            "predictions": [*answer],
            **({"explanations": answer.explanations, "explanation_error": answer.explanation_error} if explain else {}),
        }
        session.out.done(value, "")
        return
    session.out.note(f"{answer.model} answered, inference id {answer.inference_id}")
    columns: dict[str, Any] = {"Row": lambda row: row[0], "Answer": lambda row: str(row[1].value)}
    if answer.confidences and answer.confidences[0] is not None:
        columns["Confidence"] = lambda row: number(row[1].confidence)
        columns["Next"] = lambda row: _runners_up(row[1].probabilities)
    if explain:
        columns["Because"] = lambda row: "".join(each.sentence for each in answer.explanations if each.row == row[0])
    session.out.table(enumerate(answer), columns, empty="The answer has no rows.")
    if answer.explanation_error:
        session.out.note(f"Not all is explained: {answer.explanation_error}.")


def predict_from(
    session: Session,
    endpoint: Name,
    dataset: Annotated[str | None, typer.Option(help="A dataset version: houses:3.")] = None,
    key: Annotated[
        str | None, typer.Option("--object", help="Key of an object under inputs/PROJECT/ in the platform's store.")
    ] = None,
    address: Annotated[
        str | None, typer.Option("--from-url", help="An https:// address that the platform allows.")
    ] = None,
    format: Annotated[str | None, typer.Option(help="csv or parquet, where the name does not say it.")] = None,
    variant: Annotated[str | None, typer.Option(help="Ask this variant or version number.")] = None,
) -> None:
    """Ask a model about data that the platform fetches itself, row by row."""
    with did_you_mean("endpoint", endpoint, lambda: _names(session)), session.out.waiting(f"Asking {endpoint}"):
        answers = session.client.predict_from(
            endpoint, dataset=dataset, object=key, url=address, format=format, variant=variant
        )
    if session.out.is_json:
        session.out.done(answers, "")
        return
    session.out.table(
        answers,
        {
            "Row": lambda answer: answer.row,
            "Answer": lambda answer: answer.prediction if answer.error is None else answer.error["message"],
            "Inference": lambda answer: answer.inference_id,
        },
        empty="The data has no rows.",
    )


def feedback(
    session: Session,
    endpoint: Name,
    inference_id: Annotated[str | None, typer.Argument(help="Id that came with the answer.")] = None,
    truth: Annotated[list[str] | None, typer.Argument(help="True label or value of each row, in order.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            help="CSV, JSON Lines or Parquet file with inference_id and truth, or JSON: {id: truth or list of truths}."
        ),
    ] = None,
) -> None:
    """Say later what was true: live quality, monitors and retraining use it."""
    if file is not None and file.suffix.lower() != ".json":
        _send_file(session, endpoint, file)
        return
    if file is not None:
        items = read_truth(file)
    elif inference_id and truth:
        values = [as_scalar(text) for text in truth]
        items = {inference_id: values[0] if len(values) == 1 else values}
    else:
        raise TruthMissingError(
            "nothing was said to be true", hint="Give the inference id and the truth of each row, or --file."
        )
    with did_you_mean("endpoint", endpoint, lambda: _names(session)):
        receipt = session.client.feedback(endpoint, items)
    text = f"{receipt.accepted} taken, {receipt.duplicate} known already, {receipt.conflicting} replaced."
    session.out.done(receipt, text)


def _send_file(session: Session, endpoint: str, file: Path) -> None:
    with did_you_mean("endpoint", endpoint, lambda: _names(session)):
        receipt = session.client.captures.feedback_file(endpoint, file)
    for refusal in receipt.refusals if not session.out.is_json else ():
        session.out.note(f"line {refusal.line}: {refusal.message}")
    text = f"{receipt.accepted} taken, {receipt.duplicate} known already, {receipt.conflicting} replaced"
    session.out.done(receipt, f"{text}, {receipt.refused} refused.")


def list_(session: Session) -> None:
    """Endpoints by name."""
    session.out.table(
        session.client.endpoints.list(),
        {
            "Name": lambda endpoint: endpoint.name,
            "Status": lambda endpoint: endpoint.status,
            "Serves": _serves,
            "Replicas": lambda endpoint: len([r for r in endpoint.replicas if r.status == "READY"]),
            "Why": lambda endpoint: endpoint.reason,
            "Changed": lambda endpoint: since(endpoint.updated_at),
        },
        empty="There are no endpoints yet. Make one: modelyard deploy MODEL --endpoint NAME",
    )


def show(session: Session, name: Name) -> None:
    """An endpoint: status and why, variants, replicas, newest rollout."""
    with did_you_mean("endpoint", name, lambda: _names(session)):
        endpoint = session.client.endpoints.get(name)
    rollout = endpoint.rollout
    fields = {
        "Endpoint": endpoint.name,
        "Status": endpoint.status,
        "Why": endpoint.reason,
        "Address": _address(session, endpoint),
        "Serves": _serves(endpoint),
        "Scales": scaling_words(endpoint.scaling),
        "Recorded": f"{endpoint.capture_share:.0%} of the requests",
        "Rollout": f"{rollout.status} {rollout.reason}" if rollout else "",
        "Made": when(endpoint.created_at),
    }
    session.out.record(endpoint, fields)
    if session.out.is_json:
        return
    session.out.table(
        endpoint.replicas,
        {
            "Replica": lambda replica: replica.id,
            "Variant": lambda replica: replica.variant,
            "Status": lambda replica: replica.status,
            "Process": lambda replica: replica.pid,
            "Sandbox": lambda replica: replica.sandbox,
            "Why": lambda replica: replica.reason,
            "Started": lambda replica: since(replica.started_at),
        },
        empty="It has no replicas.",
    )


def stop(session: Session, name: Name) -> None:
    """End the replicas of an endpoint; its configuration stays."""
    with did_you_mean("endpoint", name, lambda: _names(session)):
        endpoint = session.client.endpoints.stop(name)
    session.out.done(endpoint, f"{name} {endpoint.status}")


def start(
    session: Session, name: Name, wait: Annotated[bool, typer.Option(help="Wait until it answers.")] = True
) -> None:
    """Start a stopped endpoint again."""
    with did_you_mean("endpoint", name, lambda: _names(session)):
        endpoint = session.client.endpoints.start(name)
    if wait:
        with session.out.waiting(f"Endpoint {name}") as say:
            endpoint = session.client.endpoints.wait(name, on_look=lambda each: say(f"{each.status} {each.reason}"))
    session.out.done(endpoint, f"{name} {endpoint.status}")


def delete(
    session: Session,
    name: Name,
    yes: Sure = False,
    wait: Annotated[bool, typer.Option(help="Wait until it is gone.")] = True,
) -> None:
    """Delete an endpoint."""
    session.confirm(f"Delete endpoint {name}?", is_sure=yes)
    with did_you_mean("endpoint", name, lambda: _names(session)):
        session.client.endpoints.delete(name, wait=wait)
    session.out.done({"deleted": name}, f"Deleted endpoint {name}.")


def metrics(
    session: Session,
    name: Name,
    window: Annotated[str, typer.Option(help="How far back: 15m, 24h, 7d.")] = "24h",
    points: Annotated[int, typer.Option(min=1, max=100, help="More than 1: every metric over time.")] = 1,
) -> None:
    """Live quality per version, on the rows whose truth is known."""
    found: tuple[LiveMetrics | QualityPoint, ...]
    with did_you_mean("endpoint", name, lambda: _names(session)):
        if points > 1:
            found = session.client.endpoints.history(name, window=window, points=points)
        else:
            found = session.client.endpoints.metrics(name, window=window)
    session.out.table(
        found,
        {
            "Until": lambda metric: when(metric.until) if metric.until else "",
            "Version": lambda metric: metric.model_version,
            "Metric": lambda metric: metric.metric,
            "Value": lambda metric: metric.value,
            "95 % interval": lambda metric: (
                f"{number(metric.low)} to {number(metric.high)}" if metric.low is not None else ""
            ),
            "Rows": lambda metric: metric.n,
        },
        empty="No truth is known yet. Send some: modelyard feedback ENDPOINT INFERENCE_ID TRUTH",
    )


def inferences(
    session: Session, name: Name, limit: Annotated[int, typer.Option(min=1, help="How many to show.")] = 20
) -> None:
    """Recorded requests with their answers, newest first."""
    found = []
    with did_you_mean("endpoint", name, lambda: _names(session)):
        for inference in session.client.endpoints.inferences(name):
            found.append(inference)
            if len(found) == limit:
                break
    session.out.table(
        found,
        {
            "Id": lambda each: each.id,
            "At": lambda each: when(each.at),
            "Version": lambda each: f"{each.model}:{each.number}",
            "Rows": lambda each: each.rows,
            "Latency ms": lambda each: each.latency_ms,
            "Answer": lambda each: [*each.outputs.get("label", each.outputs.get("prediction", []))][:5],
            "Truth": lambda each: each.feedback or "",
        },
        empty="Nothing was recorded yet.",
    )


def _names(session: Session) -> list[str]:
    return [endpoint.name for endpoint in session.client.endpoints.list()]


def _address(session: Session, endpoint: Endpoint) -> str:
    """A platform behind a proxy, or on a port of the system's choice, tells the path only."""
    return f"{session.client.url}{endpoint.url}" if endpoint.url.startswith("/") else endpoint.url


def _serves(endpoint: Endpoint) -> list[str]:
    total = sum(variant.weight for variant in endpoint.variants) or 1.0
    return [
        f"{variant.model}:{variant.number}" + (f" {variant.weight / total:.0%}" if len(endpoint.variants) > 1 else "")
        for variant in endpoint.variants
    ]


def _runners_up(probabilities: Any) -> list[str]:
    best = sorted(probabilities.items(), key=lambda item: -item[1])[1:3]
    return [f"{name} {number(value)}" for name, value in best]
