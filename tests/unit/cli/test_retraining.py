"""`modelyard retraining`: what people type becomes a policy, and a policy becomes what people read."""

from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from modelyard.cli.main import build
from modelyard.testing.fake_platform import Answer, FakePlatform
from modelyard.types.monitoring import RetrainingPolicy
from modelyard.types.retraining.rules import BudgetRules, DataWindow, PolicyStatus, TriggerRules, WindowKind

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLICIES = "/operations/v1/projects/default/retraining-policies"
POLICY = RetrainingPolicy(
    project="default",
    name="again",
    endpoint="digits",
    monitor=None,
    minimum_new_labels=200,
    minimum_gain=0.01,
    maximum_loss=0.02,
    cooldown_seconds=60.0,
    triggers=TriggerRules(schedule="0 3 * * 1", maximum_decay=0.05),
    budget=BudgetRules(runs_per_week=3),
    window=DataWindow(kind=WindowKind.NEWEST, rows=500),
    is_enabled=True,
    created_at=NOW,
    updated_at=NOW,
    version=1,
)
WAITING = PolicyStatus(policy="again", is_due=False, sentence="waits for 37 more labelled rows (163 of 200)")


@pytest.fixture
def platform():
    with FakePlatform() as running:
        running.prepare("POST", POLICIES, Answer(body=POLICY, status=201))
        running.prepare("GET", f"{POLICIES}/again", Answer(body=POLICY))
        running.prepare("GET", f"{POLICIES}/again/status", Answer(body=WAITING))
        yield running


@pytest.fixture
def run(platform, tmp_path):
    environment = {"MODELYARD_URL": platform.url, "MODELYARD_TOKEN": "secret", "MODELYARD_HOME": str(tmp_path)}
    return lambda *arguments: CliRunner().invoke(build(), [*arguments], env=environment)


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("all", {"kind": "ALL"}),
        ("newest:500", {"kind": "NEWEST", "rows": "500"}),
        ("weighted:3", {"kind": "WEIGHTED", "weight": "3"}),
        ("since:2026-01-31", {"kind": "SINCE", "since": "2026-01-31T00:00:00Z"}),
        ("since:2026-01-31T12:00:00Z", {"kind": "SINCE", "since": "2026-01-31T12:00:00Z"}),
    ],
)
def test_a_policy_is_made_of_what_is_typed(platform, run, text, window):
    options = ("--endpoint", "digits", "--schedule", "0 3 * * 1", "--runs-per-week", "3", "--significance", "0.01")
    result = run("retraining", "create", "again", *options, "--window", text)
    assert result.exit_code == 0, result.output
    sent = platform.requests[-1].json()
    assert sent["window"] == window
    assert sent["triggers"] == {"schedule": "0 3 * * 1", "maximum_decay": None}
    assert sent["budget"]["runs_per_week"] == 3
    assert sent["gate"]["significance_level"] == 0.01


def test_a_policy_shows_its_rules_and_what_it_waits_for(run):
    shown = run("retraining", "show", "again").output
    for words in (
        "schedule 0 3 * * 1, decay by 0.05",
        "the newest 500 rows",
        "3 runs a week",
        "waits for 37 more labelled rows (163 of 200)",
    ):
        assert words in shown
    assert "again: waits for 37 more labelled rows" in run("retraining", "status", "again").output
