"""Writes the generated part of docs/reference/algorithms.md: what the catalogue says about each algorithm."""

from pathlib import Path

from modelyard.algorithms import catalog
from modelyard.types.jobs import AlgorithmDescription, Hyperparameter

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "algorithms.md"
BEGIN, END = "<!-- algorithms: scripts/make_algorithm_pages.py -->", "<!-- end of algorithms -->"


def sections() -> str:
    """A section for each algorithm."""
    return "\n\n".join(_section(description) for description in catalog.descriptions())


def replaced(page: str) -> str:
    """The page with the sections as they are now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{sections()}\n\n{END}{after}"


def _section(description: AlgorithmDescription) -> str:
    direction = "highest" if description.is_objective_maximised else "lowest"
    formats = " or ".join(f"`{name}`" for name in description.input_formats)
    figures = ", ".join(f"`{name}`" for name in description.metrics)
    best = f"best: {direction} `{description.objective}`"
    resumable = " A training that is interrupted goes on from its checkpoint." if description.is_resumable else ""
    lines = [
        f"## {description.name}",
        "",
        description.description,
        "",
        f"Task `{description.task}`; data as {formats}; held-out figures {figures} ({best}).{resumable}",
        "",
        "| hyper-parameter | type | default | allowed | what it does |",
        "|---|---|---|---|---|",
        *(_row(parameter) for parameter in description.hyperparameters),
    ]
    return "\n".join(lines)


def _row(parameter: Hyperparameter) -> str:
    allowed = ", ".join(f"`{choice}`" for choice in parameter.choices)
    if parameter.minimum is not None and parameter.maximum is not None:
        allowed = f"{parameter.minimum:g} to {parameter.maximum:g}"
    default = str(parameter.default).lower() if isinstance(parameter.default, bool) else parameter.default
    return f"| `{parameter.name}` | {parameter.type} | `{default}` | {allowed} | {parameter.description} |"


def main() -> None:
    """Write the page."""
    PAGE.write_text(replaced(PAGE.read_text()))
    print(f"{PAGE.name}: done")


if __name__ == "__main__":
    main()
