"""Writes docs/reference/compilation.md: fits every estimator that skl2onnx names, compiles it, and says what came out.

`python scripts/make_compilation_table.py` (a minute or two).
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "contract" / "compilation"))

from outcomes import AGREES, DIFFERS, NO_ANSWER, UNCONVERTED, Outcome, outcome  # noqa: E402
from recipes import PIPELINES, supported  # noqa: E402

PAGE = ROOT / "docs" / "reference" / "compilation.md"
BEGIN, END = "<!-- table: scripts/make_compilation_table.py -->", "<!-- end of table -->"
_MEANINGS = {
    AGREES: "an ONNX form exists and answers as scikit-learn does",
    DIFFERS: "an ONNX form exists, answers otherwise, and is therefore never served",
    UNCONVERTED: "skl2onnx has no ONNX form of it as it is fitted here",
    NO_ANSWER: "it makes no single answer of a row of numbers",
}


def main() -> None:
    """Replace the table in the page."""
    found = [outcome(name) for name in (*supported(), *PIPELINES)]
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{_counts(found)}\n\n{_table(found)}\n\n{END}{after}")
    print(f"{PAGE.relative_to(ROOT)}: {len(found)} models")


def _counts(found: list[Outcome]) -> str:
    lines = (
        f"| {state} | {sum(each.state == state for each in found)} | {meaning} |"
        for state, meaning in _MEANINGS.items()
    )
    return "\n".join(["| outcome | models | meaning |", "|---|---|---|", *lines])


def _table(found: list[Outcome]) -> str:
    rows = (
        f"| `{each.name}` | {each.state} | {each.form} | {'yes' if each.is_file else 'no'} | {_cell(each.note)} |"
        for each in found
    )
    return "\n".join(
        ["| model | outcome | form | skops file | largest difference, or why |", "|---|---|---|---|---|", *rows]
    )


def _cell(text: str) -> str:
    """Short enough for a cell, without what Markdown or another machine would read differently."""
    first = re.sub(r"/\S+/(model\.onnx)", r"\1", text.split("; ", maxsplit=1)[0])
    return first.replace("|", "/").replace("<", "&lt;").replace("*", "\\*")[:160].strip()


if __name__ == "__main__":
    main()
