"""A platform is asked how good its endpoint is, who is treated how, why it answers so, and which version is better."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from modelyard.errors import NotFoundError
from modelyard.sdk.client import Client
from modelyard.testing.programs import Program, until
from modelyard.types.endpoints import Variant

pytestmark = pytest.mark.slow
ROWS, CALLS = 500, 300
PATIENCE_SECONDS = 60.0  # an explanation asks for thousands of rows, which takes seconds where others work too


def loans(path: Path) -> tuple[Path, list[dict[str, object]], list[str]]:
    """Who is granted a loan depends on income and age; people of the south are refused more often than they deserve."""
    random = np.random.default_rng(0)
    income, age = random.uniform(10, 90, ROWS).round(1), random.integers(18, 80, ROWS)
    region = np.where(random.random(ROWS) < 0.5, "north", "south")
    granted = np.where(income + age / 4 - np.where(region == "south", 15, 0) > 55, "granted", "refused")
    lines = [f"{i},{a},{r},{g}" for i, a, r, g in zip(income, age, region, granted, strict=True)]
    path.write_text("income,age,region,decision\n" + "\n".join(lines) + "\n")
    rows = [{"income": float(i), "age": int(a), "region": str(r)} for i, a, r in zip(income, age, region, strict=True)]
    return path, rows, [str(each) for each in granted]


def test_an_endpoint_is_evaluated_explained_and_compared(programs: Callable[..., Program], tmp_path: Path):
    program = programs(tmp_path / "home", "modelyard.server.up")
    url = program.start("--port", "0").ready()
    path, rows, granted = loans(tmp_path / "loans.csv")
    with Client(url, program.token) as client:
        client.datasets.upload("loans", path)
        for algorithm in ("boosted-trees-classification", "linear-classification"):
            client.jobs.train(algorithm, "loans", target="decision", model="loans", wait=True)
        client.endpoints.deploy("loans", "loans:1", wait=True)
        client.endpoints.update(
            "loans",
            variants=[
                Variant(name="main", model="loans", number=1),
                Variant(name="canary", model="loans", number=2, weight=0),
            ],
        )
        client.endpoints.wait("loans")
        ids = [client.predict("loans", row).inference_id for row in rows[:CALLS]]
        client.feedback("loans", dict(zip(ids, granted, strict=False)))
        until(lambda: client.evaluations.evaluate("loans").labelled == CALLS, "all feedback is joined")

        found = client.evaluations.evaluate(
            "loans", by=["variant", "day"], slice="region", costs={"refused": {"granted": 9}}
        )
        figures = {figure.name: figure for figure in found.groups[0].figures}
        assert {group.slice for group in found.groups} == {"north", "south"}
        assert figures["accuracy"].value > 0.8
        assert figures.keys() >= {"macro_f1", "brier_score", "calibration_error", "cost"}

        report = client.evaluations.bias("loans", "region", "granted")
        south = next(group for group in report.groups if group.group == "south")
        assert report.version == "loans:1"
        assert any("selection_rate" in sentence for sentence in report.findings), report
        assert not south.is_small

        captured = client.evaluations.explain("loans", ids[0], seconds=PATIENCE_SECONDS)
        assert (captured.version, captured.background, captured.method) == ("loans:1", "training", "exact")
        given = client.evaluations.explain("loans", columns=rows[0], method="trees", seconds=PATIENCE_SECONDS)
        assert (given.unit, given.method) == ("log-odds", "trees")
        for each in (captured, given):
            assert each.base + sum(c.value for c in each.contributions) == pytest.approx(each.answer, abs=1e-4)
            assert each.contributions[0].feature == "income"
            assert len(each.contributions) == 3

        both = client.predict("loans", rows[:2], explain=True, explain_seconds=PATIENCE_SECONDS)
        assert (len(both), both.model, both.explanation_error) == (2, "loans:1", "")
        for place, each in enumerate(both.explanations):
            assert (each.inference, each.row, each.version) == (both.inference_id, place, "loans:1")
            assert each.base + sum(c.value for c in each.contributions) == pytest.approx(each.answer, abs=1e-4)
            assert each.answer == pytest.approx(both[place].confidence, abs=1e-4)
        until(lambda: explained(client, both.inference_id) is not None, "it is captured like any other")
        assert explained(client, both.inference_id) == pytest.approx(both.explanations[0].answer, abs=1e-4)

        match = client.evaluations.compare("loans", "canary")
        assert (match.champion, match.challenger, match.challenge.labelled) == ("loans:1", "loans:2", CALLS)
        assert match.challenge.difference.value is not None

        shown = told(program, "evaluate", "loans", "--by", "day", "--slice", "region")
        assert "south" in shown
        assert "accuracy" in shown
        assert "selection rate" in told(program, "bias", "loans", "--column", "region", "--favourable", "granted")
        patience = ("--seconds", str(PATIENCE_SECONDS))
        assert "income" in told(program, "explain", "loans", ids[0], *patience)
        assert "loans:2" in told(program, "compare", "loans", "loans:2", "--slice", "region")
        sets = ("--set", "income=80", "--set", "region=north")
        answer = json.loads(told(program, "explain", "loans", *sets, *patience, "--json"))
        assert answer["output"] == "probability of 'granted'"


def explained(client: Client, inference: str) -> float | None:
    """The answer of a captured request, once it is here."""
    try:
        return client.evaluations.explain("loans", inference, seconds=PATIENCE_SECONDS).answer
    except NotFoundError:
        return None


def told(program: Program, *words: str) -> str:
    """What a command about endpoints prints."""
    command = [sys.executable, "-m", "modelyard.cli.main", "endpoints", *words, "--home", str(program.home)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
