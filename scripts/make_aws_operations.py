"""Writes docs/reference/aws-operations.md: every operation of each service, as supported, partly, or not.

`python scripts/make_aws_operations.py`
"""

import importlib
import pkgutil
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

from modelyard.facades import aws
from modelyard.facades.aws.s3.support import ALSO, PASSED_ON
from modelyard.facades.aws.wire.codec import service_model
from modelyard.facades.aws.wire.operations import Operation, operations_of
from modelyard.facades.aws.wire.routing import SERVICES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "aws-operations.md"
INTRODUCTION = """# AWS operations

What the [AWS APIs](../how-to/use-boto3.md) of the platform do. "Partly" says what has no effect. Any other operation
answers with the error `NotImplemented` (status 501) and its name; those are folded below each table.
`python scripts/make_aws_operations.py` writes this page from the code, and a test holds it to that.
"""


def content() -> str:
    """The page."""
    found: dict[str, list[Operation]] = {}
    for each in documented_operations():
        found.setdefault(each.service, []).append(each)
    parts = [INTRODUCTION, _overview(found), *(_service(name, found[name]) for name in _services(found)), _s3()]
    return "\n".join(parts)


def documented_operations() -> Iterator[Operation]:
    """Of every class of the facade that has some."""
    for info in pkgutil.walk_packages(aws.__path__, f"{aws.__name__}."):
        module = importlib.import_module(info.name)
        own = [each for each in vars(module).values() if isinstance(each, type) and each.__module__ == info.name]
        yield from operations_of(*own)


def _services(found: Mapping[str, list[Operation]]) -> list[str]:
    return [name for name in SERVICES if name in found]


def _overview(found: Mapping[str, list[Operation]]) -> str:
    """How much there is of each service."""
    rows = [
        f"| [`{name}`](#{name}) | {len(found[name])} | {sum(bool(each.partly) for each in found[name])} "
        f"| {len(service_model(name).operation_names)} |"
        for name in _services(found)
    ]
    rows.append(f"| [`s3`](#s3) | {len(PASSED_ON)} | 0 | {len(service_model('s3').operation_names)} |")
    none = ", ".join(f"`{name}`" for name in SERVICES if name not in found and name != "s3")
    head = "| service | operations here | of them partly | of AWS's |\n|---|---|---|---|"
    return "\n".join([head, *rows, "", f"Understood, with no operation yet: {none}.", ""])


def _service(name: str, operations: list[Operation]) -> str:
    every = service_model(name).operation_names
    known = {each.name: each for each in operations}
    rows = [f"| `{each}` | {_words(known[each])} |" for each in sorted(known)]
    missing = [each for each in every if each not in known]
    head = f"## {name}\n\n{len(known)} of {len(every)} operations.\n\n| operation | |\n|---|---|"
    return "\n".join([head, *rows, "", *_folded(f"Not supported: {len(missing)}", missing)])


def _words(operation: Operation) -> str:
    return f"Partly. {operation.partly}" if operation.partly else "Supported."


def _s3() -> str:
    every = service_model("s3").operation_names
    rows = [f"| `{each}` | Supported. |" for each in sorted(PASSED_ON)]
    rest = [each for each in every if each not in PASSED_ON]
    head = (
        f"## s3\n\n{len(PASSED_ON)} of {len(every)} operations are tested with boto3. The others are passed on to the "
        f"store, which answers for itself. {ALSO}\n\n| operation | |\n|---|---|"
    )
    return "\n".join([head, *rows, "", *_folded(f"Passed on: {len(rest)}", rest)])


def _folded(summary: str, names: list[str]) -> list[str]:
    return [
        "<details>",
        f"<summary>{summary}</summary>",
        "",
        *textwrap.wrap(", ".join(names), 120),
        "",
        "</details>",
        "",
    ]


if __name__ == "__main__":
    PAGE.write_text(content())
