"""Options that commands for jobs have in common, and what they come to."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from modelyard.cli.commands.compute.batch import progress_words
from modelyard.cli.labels import read_labels
from modelyard.cli.session import Session
from modelyard.errors import InvalidInputError
from modelyard.types.compute.scheduling import Placement
from modelyard.types.jobs import Job
from modelyard.types.processes import NodeChoice, Resources
from modelyard.types.signatures import Scalar

Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A hyper-parameter; may be repeated.")
]
_SPANS_HELP = "What to try: 2..10, 0.01..0.3:log (or loguniform(0.01,0.3)), 0.1..0.5:0.1 or a,b,c; repeat it."
_SPAN_CALL = re.compile(r"(loguniform|uniform|choice)\((.*)\)")
Spans = Annotated[list[str] | None, typer.Option("--try", metavar="NAME=SPAN", help=_SPANS_HELP)]
Channels = Annotated[
    list[str] | None, typer.Option(metavar="ROLE=DATASET", help="A further dataset by role; may be repeated.")
]
Seed = Annotated[int, typer.Option(help="Seeds every random choice.")]
Cpus = Annotated[float | None, typer.Option(help="Cores, and threads that it uses.")]
Memory = Annotated[int | None, typer.Option(metavar="MIB", help="Memory in MiB that ends the job if exceeded.")]
TimeLimit = Annotated[float | None, typer.Option(metavar="SECONDS", help="Time after which the job is ended.")]
Gpus = Annotated[float, typer.Option(min=0, help="Accelerators for itself; below 1, its part of one.")]
GpuKind = Annotated[str, typer.Option(help="What they must be, such as A100.")]
GpuMemory = Annotated[int, typer.Option(min=0, metavar="MIB", help="Memory that each must have, in MiB.")]
NodeLabels = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="A label that its machine must carry, on a cluster; may be repeated."),
]
Queue = Annotated[str, typer.Option(help="Queue in which it waits.")]
Priority = Annotated[int, typer.Option(help="-10 to 10, added to that of its queue.")]
Spot = Annotated[bool, typer.Option("--spot", help="Cheaper; it makes room for others and comes back.")]
StartWithin = Annotated[float | None, typer.Option(metavar="MINUTES", help="Or else not at all.")]
_RULE_HELP = "How a rule is applied, such as overfitting:stop; actions: notify, stop, off; may be repeated."
Rules = Annotated[list[str] | None, typer.Option("--rule", metavar="NAME:ACTION", help=_RULE_HELP)]
Reservation = Annotated[str | None, typer.Option(help="Run on this reserved capacity.")]


Requirements = Annotated[Path | None, typer.Option(help="Requirements file: packages of its own.")]
EnvironmentName = Annotated[str, typer.Option(help="Environment by name, in place of requirements.")]
PythonVersion = Annotated[str, typer.Option(help="Version of Python for the requirements, such as 3.12.")]
MetricPatterns = Annotated[
    list[str] | None, typer.Option(metavar="NAME=REGEX", help="Read a metric from the output; may be repeated.")
]
Image = Annotated[str, typer.Option(help="Container image that is run instead.")]
ImageCommand = Annotated[str, typer.Option(help="Program and arguments in the image, as one text.")]
Retries = Annotated[int, typer.Option(min=0, max=4, help="Begin again so often after it has failed by itself.")]


class SettingInvalidError(InvalidInputError):
    """An option that is not of the form NAME=VALUE."""

    code = "setting_invalid"


def read_pairs(given: list[str] | None) -> dict[str, str]:
    """NAME=VALUE pairs as they stand.

    Raises:
        SettingInvalidError: one is none.
    """
    pairs = {}
    for item in given or []:
        name, mark, text = item.partition("=")
        if not mark or not name:
            raise SettingInvalidError(f"'{item}' is not of the form NAME=VALUE", hint="Write it like epochs=20.")
        pairs[name] = text
    return pairs


def read_settings(given: list[str] | None) -> dict[str, Scalar]:
    """NAME=VALUE pairs; numbers and booleans as such, everything else is text ("128,64").

    Raises:
        SettingInvalidError: one is none.
    """
    return {name: _scalar(text) for name, text in read_pairs(given).items()}


def read_spans(given: list[str] | None) -> dict[str, dict[str, Scalar] | list[Scalar]]:
    """What to try, by name: `NAME=LOW..HIGH`, with `:log` or `:STEP` behind it, or `NAME=A,B,C`.

    Raises:
        SettingInvalidError: one is of another form.
    """
    return dict(_span(text) for text in given or ())


def resources_of(
    cpus: float | None,
    memory: int | None,
    time_limit: float | None,
    gpus: float,
    gpu_kind: str,
    gpu_memory: int,
    node_label: list[str] | None,
    same_node: bool = False,
) -> Resources:
    """What the options ask for."""
    return Resources(
        cpus=cpus,
        memory_bytes=memory and memory << 20,
        time_limit_seconds=time_limit,
        gpus=gpus,
        gpu_kind=gpu_kind,
        gpu_memory_bytes=gpu_memory << 20 or None,
        node_labels=read_labels(node_label or ()),
        placement=NodeChoice.SAME_NODE if same_node else NodeChoice.ANY,
    )


def placement_of(
    queue: str, priority: int, spot: bool, start_within: float | None, reservation: str | None
) -> Placement:
    """When and where the options let it start."""
    start_before = None if start_within is None else datetime.now(UTC) + timedelta(minutes=start_within)
    return Placement(queue=queue, priority=priority, is_spot=spot, start_before=start_before, reservation=reservation)


def wait_for(session: Session, id: str) -> Job:
    """The job once it has completed, with its state on the screen until then."""
    with session.out.waiting(f"Job {id}") as say:
        return session.client.jobs.wait(id, on_look=lambda job: say(f"{job.status} {progress_words(job)}"))


def _scalar(text: str) -> Scalar:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float) else text


def _span(text: str) -> tuple[str, dict[str, Scalar] | list[Scalar]]:
    name, mark, span = text.partition("=")
    if not mark or not name or not span:
        raise SettingInvalidError(f"'{text}' is not of the form NAME=SPAN", hint="Write it like max_depth=2..10.")
    called = _SPAN_CALL.fullmatch(span)
    if called:
        span = called[2] if called[1] == "choice" else called[2].replace(",", "..", 1)
        span += ":log" if called[1] == "loguniform" else ""
    low, is_range, rest = span.partition("..")
    if not is_range:
        return name, [_scalar(each) for each in span.split(",")]
    high, _, how = rest.partition(":")
    found: dict[str, Scalar] = {"low": _number(text, low), "high": _number(text, high)}
    if not called and _is_whole(low) and _is_whole(high) and how in ("", "log"):
        found["whole"] = True
    if how == "log":
        found["log"] = True
    elif how:
        found["step"] = _number(text, how)
    return name, found


def _is_whole(word: str) -> bool:
    return word.strip().lstrip("-").isdecimal()


def _number(text: str, word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise SettingInvalidError(
            f"In '{text}' there is '{word}' where a number belongs", hint="Write it like learning_rate=0.01..0.3:log."
        ) from None
