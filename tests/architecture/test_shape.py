"""The written rules of the house that no linter knows."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "modelyard"
FILES = sorted(SOURCE.rglob("*.py"))
CAPABILITY_FILES = re.compile(r"modelyard\.control\.(?P<capability>\w+)\.(repository|tables)")


def modules_imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found.update(name.name for name in node.names)
    return found


def test_no_file_is_over_500_lines():
    long = {str(path.relative_to(ROOT)): n for path in FILES if (n := len(path.read_text().splitlines())) > 500}
    assert not long, long


def test_half_of_the_files_are_under_150_lines():
    sizes = sorted(len(path.read_text().splitlines()) for path in FILES)
    assert sizes[len(sizes) // 2] < 150


def test_no_function_is_over_60_lines():
    long = {}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and "migrations" not in path.parts
            # A router is a list of routes: each route is a function of its own inside it.
            if is_function and node.name != "router" and (size := (node.end_lineno or 0) - node.lineno + 1) > 60:
                long[f"{path.relative_to(ROOT)}:{node.name}"] = size
    assert not long, long


def test_no_folder_has_more_than_15_modules():
    full = {
        str(folder.relative_to(ROOT)): n
        for folder in {path.parent for path in FILES}
        if (n := len(list(folder.glob("*.py")))) > 15
    }
    assert not full, full


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_capability_is_used_through_its_service_only(path):
    own = path.relative_to(SOURCE).parts[1] if path.is_relative_to(SOURCE / "control") else None
    wires = (SOURCE / "server", SOURCE / "testing", SOURCE / "control" / "tables.py")
    if any(path.is_relative_to(place) for place in wires):
        return
    foreign = [
        module
        for module in modules_imported(path)
        if (match := CAPABILITY_FILES.match(module)) and match["capability"] != own
    ]
    assert not foreign, f"{path} reaches into {foreign}"


def test_nothing_is_left_undone():
    marks = re.compile(r"\b(TODO|FIXME|XXX)\b|NotImplementedError\(\)|pragma: no cover")
    left = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in FILES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if marks.search(line)
    ]
    assert not left, left


def test_no_test_is_skipped():
    marks = re.compile(r"pytest\.(skip|xfail)|mark\.(skip|xfail)")
    tests = [path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]
    skipped = [str(path.relative_to(ROOT)) for path in tests if marks.search(path.read_text())]
    assert not skipped, skipped
