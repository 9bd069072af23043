"""The API pages work without the internet and describe everything; the generated reference is up to date."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fastapi.testclient import TestClient

from modelyard.control.rest.application import create_application

ROOT = Path(__file__).resolve().parents[2]


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class NoAudit:
    def record(self, entry: object) -> None:
        raise AssertionError("reading is not audited")


@pytest.fixture(scope="module")
def documents() -> dict[str, dict[str, Any]]:
    # In a process of its own: the workflow library keeps one application per process.
    command = [sys.executable, str(ROOT / "scripts" / "make_route_table.py"), "--documents"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=120).stdout)


def operations(documents: dict[str, dict[str, Any]]):
    for application, document in documents.items():
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                yield f"{method.upper()} {application}{path}", operation


def request_schemas(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every schema that a request body names, directly or inside another."""
    schemas, found = document["components"]["schemas"], {}

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            name = str(part.get("$ref", "")).rpartition("/")[2]
            if name and name not in found:
                found[name] = schemas[name]
                walk(schemas[name])
            for value in part.values():
                walk(value)
        elif isinstance(part, list):
            for value in part:
                walk(value)

    for methods in document["paths"].values():
        for operation in methods.values():
            walk(operation.get("requestBody"))
    return found


def test_every_route_has_a_summary_and_a_description(documents):
    silent = [name for name, each in operations(documents) if not each.get("summary") or not each.get("description")]
    assert not silent


def test_every_parameter_has_a_description(documents):
    silent = [
        f"{name}: {parameter['name']}"
        for name, operation in operations(documents)
        for parameter in operation.get("parameters", ())
        if not parameter.get("description")
    ]
    assert not silent


def test_every_field_of_a_request_has_a_description(documents):
    silent = [
        f"{schema}.{field}"
        for document in documents.values()
        for schema, content in request_schemas(document).items()
        for field, value in content.get("properties", {}).items()
        if not value.get("description")
    ]
    assert not silent


def test_descriptions_carry_no_docstring_sections(documents):
    schemas = [schema for document in documents.values() for schema in document["components"]["schemas"].values()]
    section = re.compile(r"^(Attributes|Args):", re.MULTILINE)
    assert not [schema for schema in schemas if section.search(schema.get("description", ""))]
    assert not [document for document in documents.values() if "HTTPValidationError" in str(document)]


def test_the_pages_load_nothing_from_elsewhere():
    application = create_application(title="<Test>", description="", routers=[], audit=NoAudit(), version="1")
    client = TestClient(application)
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "&lt;Test&gt;" in page.text
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(links) == 4
    assert "//" not in page.text.replace("<!doctype html>", "")
    for link in links:
        answer = client.get(f"/{link}")
        assert (answer.status_code, bool(answer.content)) == (200, True)
        assert answer.headers["x-content-type-options"] == "nosniff"
    start = client.get("/docs/start.js").text
    assert "//" not in start
    document = re.search(r'url: "([^"]+)"', start)
    assert document is not None
    assert client.get(f"/{document[1]}").json()["info"]["title"] == "<Test>"


def test_the_table_of_routes_is_up_to_date(documents):
    page = (ROOT / "docs" / "reference" / "rest.md").read_text()
    assert script("make_route_table").replaced(page, documents) == page, "run python scripts/make_route_table.py"


def test_the_algorithms_are_up_to_date():
    page = (ROOT / "docs" / "reference" / "algorithms.md").read_text()
    assert script("make_algorithm_pages").replaced(page) == page, "run python scripts/make_algorithm_pages.py"
