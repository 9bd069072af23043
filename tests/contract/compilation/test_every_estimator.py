"""Every scikit-learn estimator that skl2onnx names does what the documentation says of it."""

import re
from pathlib import Path

import pytest
from outcomes import AGREES, outcome
from recipes import PIPELINES, supported

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "compilation.md"
DOCUMENTED = dict(re.findall(r"^\| `([^`]+)` \| ([a-z ]+?) \| .*\|.*\|.*\|$", PAGE.read_text(), re.MULTILINE))

pytestmark = pytest.mark.slow


def test_the_table_names_every_estimator_and_pipeline_and_no_other():
    table = PAGE.read_text().partition("<!-- table")[2]
    named = set(re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE))
    assert named == {*supported(), *PIPELINES}


def test_most_estimators_convert_and_agree():
    agreeing = [name for name in supported() if DOCUMENTED[name] == AGREES]
    assert len(agreeing) > 110


@pytest.mark.parametrize("name", [*supported(), *PIPELINES])
def test_it_does_what_the_table_says(name):
    found = outcome(name)
    assert found.state == DOCUMENTED[name], f"{found.note}; if this is right, run scripts/make_compilation_table.py"
