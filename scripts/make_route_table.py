"""Writes the table of routes into docs/reference/rest.md, from the OpenAPI documents of the three applications.

`python scripts/make_route_table.py --documents` prints the documents instead, as one JSON object by path.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from modelyard.server.applications.assembly import assemble
from modelyard.server.applications.context import open_context
from modelyard.server.names import APPLICATIONS
from modelyard.settings import Settings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "rest.md"
BEGIN, END = "<!-- routes: scripts/make_route_table.py -->", "<!-- end of routes -->"
_METHODS = ("get", "post", "put", "patch", "delete")


def documents() -> dict[str, dict[str, Any]]:
    """Path of the application -> its OpenAPI document."""
    with tempfile.TemporaryDirectory() as folder:
        context = open_context(Settings(home=Path(folder)), APPLICATIONS)
        try:
            return {
                application.path: application.asgi.openapi()
                for application in assemble(context, APPLICATIONS).applications
            }
        finally:
            context.close()


def replaced(page: str, found: dict[str, dict[str, Any]]) -> str:
    """The page with the tables as the documents have them."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    tables = "\n\n".join(_table(path, document) for path, document in found.items())
    return f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"


def _table(path: str, document: dict[str, Any]) -> str:
    rows = [
        f"| `{method.upper()}` | `{route}` | {operation['summary']} |"
        for route, operations in document["paths"].items()
        for method, operation in operations.items()
        if method in _METHODS
    ]
    return "\n".join([f"### {document['info']['title']}: `{path}`", "", "| | path | |", "|---|---|---|", *rows])


def main() -> None:
    """Write the page, or print the documents."""
    if sys.argv[1:] == ["--documents"]:
        print(json.dumps(documents()))
        return
    PAGE.write_text(replaced(PAGE.read_text(), documents()))
    print(f"{PAGE.name}: done")


if __name__ == "__main__":
    main()
