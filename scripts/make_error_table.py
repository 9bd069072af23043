"""Writes docs/reference/errors.md: provokes every error and takes down what the product really says.

`python scripts/make_error_table.py` (a minute or two: it starts a platform and a gateway).
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "errors"))

from provokers.registration import FAMILIES, Example, provoke, provokers, stable  # noqa: E402
from stage import Stage  # noqa: E402

PAGE = ROOT / "docs" / "reference" / "errors.md"
INTRODUCTION = """# Errors

Every error of every surface has four parts: `code` (stable, for programs), `message` (what is wrong with what),
`hint` (what to do next) and `field` (the path of the field at fault, if it is one).

```json
{"code": "hyperparameter_invalid", "message": "...", "hint": "...", "field": "hyperparameters.epochs"}
```

**REST.** That is the body of every failed answer; when a request has several faults, `details` lists them all. On
`/v2/...` the body also has `error`, the message once more, as the Open Inference Protocol wants it; paths of
[other protocols](calling.md) add what their clients read.

**Python.** `modelyard.errors` holds the families as exceptions (`NotFoundError`, `ConflictError`, ...).
The client raises the family, and `error.code` is the code below.

**Command line.** Message and hint go to standard error, with `--json` as the object above. The
[exit code](cli.md#exit-codes) tells the family.

**When to try again.** Exactly when the status is 408, 429, 503 or 504: temporary faults, most of them with a
`Retry-After` header. The Python client does so by itself where a second try is harmless. Any other error stays until
the request or the state changes. A request that creates something may be repeated after a lost connection if it carries
an `Idempotency-Key`.

The examples are real: `scripts/make_error_table.py` provokes each error and writes this table, and a test provokes each
again. Without a status (-): the error is raised in the program that you run, and no server answers it. "Family": the
code only groups others.

| code | status | example | what to do |
|---|---|---|---|
"""


def main() -> None:
    """Write the page."""
    folder = Path(tempfile.mkdtemp(prefix="modelyard-errors-"))
    with Stage(folder) as stage:
        examples = [provoke(code, stage) for code in sorted(provokers())]
    rows = {example.code: _row(example, folder) for example in examples}
    rows |= {
        code: f"| `{code}` | - | Family. {meaning} | See the codes of the family. |"
        for code, meaning in FAMILIES.items()
    }
    PAGE.write_text(INTRODUCTION + "\n".join(row for _, row in sorted(rows.items())) + "\n")
    print(f"{PAGE.relative_to(ROOT)}: {len(rows)} codes")


def _row(example: Example, folder: Path) -> str:
    cells = (_cell(stable(text, folder)) for text in (example.message, example.hint))
    return f"| `{example.code}` | {example.status or '-'} | {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """Text that is safe in a table cell; lines of a message that points at a word become code."""
    lines = text.strip().splitlines()
    if len(lines) > 1:
        return "<br>".join([_escaped(lines[0]), *(f"`{line.replace(' ', chr(0xA0))}`" for line in lines[1:])])
    return _escaped(text.strip())


def _escaped(text: str) -> str:
    """Without what Markdown reads as marks; what stands between back-quotes is code already."""
    parts = text.replace("|", "\\|").split("`")
    parts[::2] = [part.replace("<", "&lt;").replace("*", "\\*") for part in parts[::2]]
    return "`".join(parts)


if __name__ == "__main__":
    main()
