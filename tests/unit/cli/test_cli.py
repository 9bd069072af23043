"""The commands: readable for people, JSON for programs, a next step and an exit code for every mistake."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from modelyard import errors
from modelyard.cli.command import INTERRUPTED
from modelyard.cli.main import build
from modelyard.server.exits import EXIT_CODES, exit_code
from modelyard.testing.fake_platform import Answer, FakePlatform
from modelyard.types.datasets import Dataset
from modelyard.types.endpoints import CaptureRules, Endpoint, EndpointStatus, Masking, Scaling, Variant
from modelyard.types.planning import Plan, Prediction

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ENDPOINTS = "/operations/v1/projects/default/endpoints"
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def platform():
    with FakePlatform() as running:
        yield running


@pytest.fixture
def run(platform, tmp_path):
    environment = {"MODELYARD_URL": platform.url, "MODELYARD_TOKEN": "secret", "MODELYARD_HOME": str(tmp_path)}
    return lambda *arguments, **changes: CliRunner().invoke(build(), [*arguments], env={**environment, **changes})


def endpoint(name: str, status: EndpointStatus = EndpointStatus.READY) -> Endpoint:
    return Endpoint(
        project="default", name=name, status=status, reason="", variants=(Variant(name="main", model="m", number=2),),
        created_at=NOW, updated_at=NOW, version=1,
    )  # fmt: skip


def a_list(*items: object) -> Answer:
    return Answer(body={"items": items, "next_cursor": None})


def commands(command, path=()):
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*path, name))
    if not hasattr(command, "commands"):
        yield path, command


ALL = dict(commands(typer.main.get_command(build())))


def test_every_command_of_the_platform_is_there():
    words = {" ".join(path) for path in ALL}
    wanted = (
        "up, down, status, doctor, serve, token create, token list, token revoke, project create, datasets upload, "
        "datasets list, datasets show, train, jobs list, jobs show, jobs logs, jobs stop, algorithms list, "
        "models register, models search, models show, models list, deploy, endpoints list, endpoints show, "
        "endpoints scale, endpoints stop, endpoints start, endpoints delete, predict, feedback, monitors create, "
        "monitors run, retraining create, retraining run, events"
    )
    assert set(wanted.split(", ")) <= words


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_explains_itself_and_takes_the_shared_options(path):
    command = ALL[path]
    assert command.help
    assert {"project", "url", "home", "json"} <= {parameter.name for parameter in command.params}
    for parameter in command.params:
        assert parameter.name in ("help", "project", "url", "home", "json") or parameter.help, parameter.name


def test_a_table_for_people_and_json_for_programs(run, platform):
    platform.prepare("GET", ENDPOINTS, a_list(endpoint("digits"), endpoint("iris")))
    table = run("endpoints", "list")
    assert table.exit_code == 0
    assert "digits" in table.stdout
    assert "m:2" in table.stdout
    assert [each["name"] for each in json.loads(run("endpoints", "list", "--json").stdout)] == ["digits", "iris"]


def test_an_empty_list_says_how_to_begin(run, platform):
    platform.prepare("GET", ENDPOINTS, a_list())
    shown = run("endpoints", "list")
    assert "modelyard deploy" in shown.stderr
    assert json.loads(run("endpoints", "list", "--json").stdout) == []


def test_a_mistyped_name_is_answered_with_the_right_one(run, platform):
    platform.prepare("GET", ENDPOINTS, a_list(endpoint("digits")))
    shown = run("endpoints", "show", "digts")
    assert shown.exit_code == 3
    assert "Did you mean 'digits'?" in shown.stderr
    failed = json.loads(run("endpoints", "show", "digts", "--json").stderr)
    assert set(failed) == {"code", "message", "hint", "field"}


def test_a_monitor_of_a_mistyped_endpoint_is_answered_with_the_right_one(run, platform):
    platform.prepare("GET", ENDPOINTS, a_list(endpoint("digits")))
    shown = run("monitors", "create", "watch", "--endpoint", "digts")
    assert shown.exit_code == 3
    assert "Did you mean 'digits'?" in shown.stderr


def test_a_version_of_a_dataset_is_named_as_it_is_shown(run, platform):
    run("datasets", "show", "houses:2")
    assert platform.requests[0].path.endswith("/datasets/houses/versions/2")


def test_the_status_of_one_application_alone_is_no_error(run, platform):
    platform.prepare("GET", ENDPOINTS, a_list(endpoint("digits")))
    shown = run("status")
    assert shown.exit_code == 0
    assert "digits READY" in shown.stdout


def test_a_mistyped_command_is_answered_with_the_right_one(run):
    shown = run("endpoint", "list")
    assert shown.exit_code == 2
    assert "endpoints" in shown.stderr


def test_a_platform_that_does_not_run_is_said_with_how_to_start_it(run):
    for address in ("http://127.0.0.1:1", ""):
        shown = run("endpoints", "list", MODELYARD_URL=address)
        assert shown.exit_code in (2, 6)
        assert "modelyard up" in shown.stderr


@pytest.mark.parametrize(
    ("status", "code"), [(400, 2), (401, 4), (403, 4), (404, 3), (409, 5), (412, 5), (413, 2), (500, 1)]
)
def test_the_exit_code_tells_the_family_of_the_error(status, code, run, platform):
    body = {"code": "some_code", "message": "words", "hint": "do this"}
    platform.prepare("POST", f"{ENDPOINTS}/digits/stop", Answer(status=status, body=body))
    shown = run("endpoints", "stop", "digits")
    assert shown.exit_code == code
    assert "words" in shown.stderr
    assert "do this" in shown.stderr


def test_the_documented_exit_codes_are_those_in_the_program():
    text = (ROOT / "docs" / "reference" / "cli.md").read_text()
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    assert documented == {0, INTERRUPTED, *(code for _, code in EXIT_CODES)}
    assert exit_code(errors.AlreadyExistsError("x")) == 5
    assert exit_code(errors.TooLargeError("x")) == 2


def test_every_command_is_in_the_reference():
    text = (ROOT / "docs" / "reference" / "cli.md").read_text()
    missing = [" ".join(path) for path in ALL if f"`modelyard {' '.join(path)}" not in text]
    assert not missing


def test_what_cannot_be_undone_asks_first(run, platform):
    platform.prepare("GET", ENDPOINTS, a_list(endpoint("digits")))
    platform.prepare("DELETE", f"{ENDPOINTS}/digits", Answer(status=202, body=endpoint("digits")))
    assert run("endpoints", "delete", "digits", "--no-wait").exit_code == 1
    assert platform.sent("DELETE", f"{ENDPOINTS}/digits") == []
    assert run("endpoints", "delete", "digits", "--no-wait", "--yes").exit_code == 0
    assert len(platform.sent("DELETE", f"{ENDPOINTS}/digits")) == 1


def test_training_sends_what_was_asked_for(run, platform):
    refusal = Answer(status=400, body={"code": "x", "message": "no"})
    platform.prepare("POST", "/jobs/v1/projects/team/training-jobs", refusal)
    run(
        "train", "linear-classification", "--data", "iris:2", "--model", "iris", "--target", "species", "--seed", "7",
        "--set", "epochs=20", "--set", "rate=0.5", "--set", "layers=128,64", "--project", "team",
    )  # fmt: skip
    body = platform.requests[0].json()
    assert body["channels"] == {"train": {"dataset": "iris", "number": 2}}
    assert body["hyperparameters"] == {"epochs": 20, "rate": 0.5, "layers": "128,64"}
    assert (body["target"], body["seed"], body["model"]) == ("species", 7, "iris")
    wrong = run("train", "x", "--data", "d", "--model", "m", "--set", "epochs")
    assert wrong.exit_code == 2
    assert "NAME=VALUE" in wrong.stderr


def test_feedback_comes_from_arguments_and_from_files(run, platform, tmp_path):
    path = f"{ENDPOINTS}/digits/feedback"
    platform.prepare("POST", path, Answer(body={"accepted": 2, "duplicate": 0, "conflicting": 0}))
    refusal = {"line": 4, "message": "it has 1 cells"}
    taken = {"accepted": 2, "duplicate": 0, "conflicting": 0, "refused": 1, "refusals": [refusal]}
    platform.prepare("POST", f"{path}/files", Answer(body=taken))
    lines = "inference_id,truth\ninf-1,3\ninf-2,cat\nx\n"
    (tmp_path / "truth.csv").write_text(lines)
    (tmp_path / "truth.json").write_text('{"inf-1": [1, null]}')
    assert run("feedback", "digits", "inf-1", "3").exit_code == 0
    sent = run("feedback", "digits", "--file", str(tmp_path / "truth.csv"))
    assert "2 taken, 0 known already, 0 replaced, 1 refused." in sent.stdout
    assert "line 4: it has 1 cells" in sent.stderr
    (request,) = platform.sent("POST", f"{path}/files")
    assert (request.body.decode(), request.headers["content-type"]) == (lines, "text/csv")
    assert run("feedback", "digits", "--file", str(tmp_path / "truth.txt")).exit_code == 2
    assert run("feedback", "digits", "--file", str(tmp_path / "truth.json")).exit_code == 0
    assert run("feedback", "digits").exit_code == 2
    assert [request.json()["items"] for request in platform.sent("POST", path)] == [
        [{"inference_id": "inf-1", "truth": 3}],
        [{"inference_id": "inf-1", "truth": [1, None]}],
    ]


def test_rules_of_captures_are_changed_one_by_one(run, platform):
    shown = replace(endpoint("digits"), capture=CaptureRules(retention_days=30, personal_columns={"a": Masking.DROP}))
    platform.prepare("GET", f"{ENDPOINTS}/digits", Answer(body=shown))
    platform.prepare("PATCH", f"{ENDPOINTS}/digits", Answer(body=shown))
    assert "a: drop" in run("captures", "rules", "digits").stdout
    assert platform.sent("PATCH", f"{ENDPOINTS}/digits") == []
    changes = ("--share", "0.5", "--personal", "b=hash", "--personal", "a=keep", "--keep-days", "0")
    assert run("captures", "rules", "digits", *changes).exit_code == 0
    (request,) = platform.sent("PATCH", f"{ENDPOINTS}/digits")
    rules = {"retention_days": None, "personal_columns": {"b": "hash"}}
    assert request.json() == {"capture_share": 0.5, "capture": rules}
    assert run("captures", "rules", "digits", "--personal", "b=burn").exit_code == 2


def test_captures_are_queried_and_deleted(run, platform):
    answer = {"columns": ["version", "n"], "types": ["VARCHAR", "BIGINT"], "rows": [["d:1", 3]], "is_truncated": True}
    platform.prepare("POST", f"{ENDPOINTS}/digits/captures/query", Answer(body=answer))
    platform.prepare("DELETE", f"{ENDPOINTS}/digits/inferences", Answer(body={"inferences": 7}))
    shown = run("captures", "query", "digits", "SELECT 1", "--since", "2026-01-31")
    assert "d:1" in shown.stdout
    assert "more than 100 rows" in shown.stderr
    deleted = run("captures", "delete", "digits", "--until", "2026-01-31", "--principal", "token-1", "--yes")
    assert "Deleted 7 inferences" in deleted.stdout
    (request,) = platform.sent("DELETE", f"{ENDPOINTS}/digits/inferences")
    assert request.query["principal"] == "token-1"


def test_strange_names_from_the_platform_do_no_harm_in_a_table(run, platform):
    dataset = Dataset(
        project="default", name="a", description="[red]\x1b[31m[/nope]", tags=("[x]",), latest=1, created_at=NOW,
        updated_at=NOW, version=1,
    )  # fmt: skip
    platform.prepare("GET", "/registry/v1/projects/default/datasets", a_list(dataset))
    shown = run("datasets", "list")
    assert shown.exit_code == 0
    assert "[red]" in shown.stdout
    assert "\x1b" not in shown.stdout


def modelyard(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "modelyard", *arguments],
        capture_output=True, text=True, check=False, timeout=120, env={**os.environ, **environment},
    )  # fmt: skip


def test_help_loads_neither_the_client_nor_the_server():
    code = (
        "import sys; from modelyard.cli.main import build\n"
        "try: build()(['--help'], prog_name='modelyard')\n"
        "except SystemExit: pass\n"
        "heavy = {'httpx', 'msgspec', 'numpy', 'pydantic', 'sqlalchemy', 'fastapi'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_there_for_shells(shell):
    shown = modelyard("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert shown.returncode == 0, shown.stderr
    assert "modelyard" in shown.stdout.lower()


def test_down_ends_the_supervisor_of_the_state_directory_and_no_other_process(tmp_path):
    (tmp_path / "run").mkdir()
    script = "import sys, time; time.sleep(60)  # modelyard.server.up"
    supervisor = subprocess.Popen([sys.executable, "-c", script, "modelyard.server.up"])
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        state = tmp_path / "run" / "platform.json"
        state.write_text(json.dumps({"pid": stranger.pid, "processes": {}}))
        assert "No platform runs" in modelyard("down", "--home", str(tmp_path)).stdout
        assert stranger.poll() is None
        state.write_text(json.dumps({"pid": supervisor.pid, "processes": {"control": 1}}))
        started = time.monotonic()
        assert modelyard("down", "--home", str(tmp_path)).returncode == 0
        assert supervisor.wait(10) == -signal.SIGTERM
        assert time.monotonic() - started < 60
    finally:
        for process in (supervisor, stranger):
            process.kill()
            process.wait()


def test_status_says_what_a_supervisor_has_written_down_though_nothing_answers(tmp_path):
    (tmp_path / "run").mkdir()
    supervisor = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "modelyard.server.up"])
    try:
        state = {"pid": supervisor.pid, "processes": {"control": None, "gateway": 4711}}
        (tmp_path / "run" / "platform.json").write_text(json.dumps(state))
        (tmp_path / "run" / "gateway.json").write_text('{"url": "http://127.0.0.1:9"}')
        (tmp_path / "admin.token").write_text("my_token-x")
        told = modelyard("status", "--home", str(tmp_path), MODELYARD_URL="")
        assert told.returncode == 6
        assert "control starts again, gateway 4711" in told.stdout
    finally:
        supervisor.kill()
        supervisor.wait()


@pytest.mark.parametrize(
    ("option", "was_isolated", "is_isolated"),
    [("--isolated", False, True), ("--shared", True, False), (None, True, True), (None, False, False)],
)
def test_a_deployment_stays_isolated_or_shared_until_it_is_told_otherwise(
    option, was_isolated, is_isolated, run, platform
):
    variant = Variant(name="main", model="m", number=2, is_isolated=was_isolated)
    present = replace(endpoint("digits"), variants=(variant,))
    path = f"{ENDPOINTS}/digits"
    platform.prepare("GET", path, Answer(body=present, headers={"ETag": '"1"'}))
    platform.prepare("PATCH", path, Answer(body=present, headers={"ETag": '"2"'}))
    options = [] if option is None else [option]
    done = run("deploy", "m:3", "--endpoint", "digits", "--no-wait", *options)
    assert done.exit_code == 0, done.output
    (sent,) = platform.sent("PATCH", path)
    assert sent.json()["variants"] == [{"name": "main", "model": "m:3", "replicas": 1, "is_isolated": is_isolated}]


def test_scaling_by_itself_changes_only_what_was_said(run, platform):
    scaling = Scaling(minimum_replicas=0, maximum_replicas=3, p99_ms=50.0)
    platform.prepare("GET", f"{ENDPOINTS}/digits", Answer(body=replace(endpoint("digits"), scaling=scaling)))
    platform.prepare("PATCH", f"{ENDPOINTS}/digits", Answer(body=endpoint("digits")))
    done = run("endpoints", "scale", "digits", "--idle", "5m", "--p99", "20ms")
    assert done.output == "digits READY: 0 to 3 replicas, idle after 300 s, p99 under 20 ms.\n"
    (sent,) = platform.sent("PATCH", f"{ENDPOINTS}/digits")
    assert sent.json() == {
        "scaling": {"minimum_replicas": 0, "maximum_replicas": 3, "idle_seconds": 300.0, "p99_ms": 20.0}
    }


def test_bounds_of_scaling_are_sent_as_they_were_given_so_that_the_platform_can_refuse_them(run, platform):
    platform.prepare("GET", f"{ENDPOINTS}/digits", Answer(body=endpoint("digits")))
    platform.prepare("PATCH", f"{ENDPOINTS}/digits", Answer(body=endpoint("digits")))
    run("endpoints", "scale", "digits", "--min", "4", "--max", "1")
    (sent,) = platform.sent("PATCH", f"{ENDPOINTS}/digits")
    assert sent.json()["scaling"].items() >= {"minimum_replicas": 4, "maximum_replicas": 1}.items()


@pytest.mark.parametrize(
    "arguments", [(), ("2", "--min", "0"), ("--min", "0", "--variant", "a"), ("--idle", "5"), ("--p99", "0ms")]
)
def test_scaling_in_two_ways_or_none_is_refused(arguments, run):
    assert run("endpoints", "scale", "digits", *arguments).exit_code == 2


def test_a_plan_is_shown_with_its_figures_or_with_the_reason_for_none(run, platform):
    prediction = Prediction(
        replicas=2, requests_per_second=300, p50_ms=4.21, p99_ms=17.5, utilisation=0.61, mean_batch=1.4, capacity=490
    )
    plan = Plan(
        model="digits:2", requests_per_second=300, p99_ms=20, prediction=prediction, is_host_saturated=False, reason="",
        memory_bytes=200 << 20, cpu_seconds_per_1000=4.1, cores_needed=1.2, measured_at=NOW, curve=(),
    )  # fmt: skip
    saturated = replace(plan, prediction=None, is_host_saturated=True, reason="host saturated: 17.0 tasks")
    platform.prepare("POST", "/operations/v1/projects/default/plans", Answer(body=plan), Answer(body=saturated))
    shown = run("endpoints", "plan", "digits", "--rps", "300", "--p99", "20ms").output
    for words in (
        "it will do",
        "17.5 ms",
        "4.21 ms",
        "61% of the time",
        "490 requests/s",
        "200 MiB",
        "4.1 s for 1,000",
    ):
        assert words in shown
    refused = run("endpoints", "plan", "digits", "--rps", "300").output
    assert "host saturated: 17.0 tasks" in refused
    assert "Replicas" not in refused
