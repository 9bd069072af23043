"""Routes of inferences, feedback, monitors and retraining, on real services; endpoints are a stand-in."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from modelyard.control.alerts import api as alerts_api
from modelyard.control.alerts.delivery import EmailSender
from modelyard.control.captures import api as captures_api
from modelyard.control.captures.ingest import CaptureIngest
from modelyard.control.captures.repository import CaptureRepository
from modelyard.control.captures.retention import CaptureRetention
from modelyard.control.captures.service import CaptureService
from modelyard.control.detectors import api as detectors_api
from modelyard.control.endpoints.errors import EndpointNotFoundError
from modelyard.control.events.repository import EventRepository
from modelyard.control.events.service import EventService
from modelyard.control.feedback import api as feedback_api
from modelyard.control.feedback.history import QualityHistory
from modelyard.control.feedback.labelled import LabelledReader
from modelyard.control.feedback.quality import QualityService
from modelyard.control.feedback.repository import FeedbackRepository
from modelyard.control.feedback.service import FeedbackService
from modelyard.control.monitors import api as monitors_api
from modelyard.control.monitors.checking.counting import LabelCounter
from modelyard.control.queries import api as queries_api
from modelyard.control.queries.service import QueryService
from modelyard.control.rest.application import create_application
from modelyard.control.rest.guard import Guard
from modelyard.control.retraining import api as retraining_api
from modelyard.control.retraining.collecting import Collector
from modelyard.control.retraining.conditions.conditions import Conditions
from modelyard.control.retraining.conditions.decay import SequentialDecay
from modelyard.control.retraining.policies import PolicyService
from modelyard.control.retraining.repository import RetrainingRepository
from modelyard.control.retraining.service import RetrainingService
from modelyard.dataplane.captures import SpoolWriter
from modelyard.errors import NotFoundError
from modelyard.kit.clock import FakeClock
from modelyard.runtimes.tensors import to_raw
from modelyard.server.applications.monitoring import assemble
from modelyard.storage.creations import Creations
from modelyard.storage.database import Database
from modelyard.storage.objects import open_objects
from modelyard.types.compute.scheduling import Quota
from modelyard.types.endpoints import Endpoint, EndpointStatus, Variant
from modelyard.types.tensors import CaptureRecord

BASE = "/projects/default"
DIGITS = f"{BASE}/endpoints/digits"
MONITOR = {"name": "watch", "endpoint": "digits", "minimum_rows": 20}
POLICY = {"name": "again", "endpoint": "digits", "monitor": "watch"}


class Endpoints:
    """One endpoint, "digits", in every project."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def signature(self, project: str, version: str) -> None:
        """Of no version."""

    def get(self, project: str, name: str) -> Endpoint:
        if name != "digits":
            raise EndpointNotFoundError(f"There is no endpoint '{name}'")
        return Endpoint(
            project=project,
            name=name,
            status=EndpointStatus.READY,
            reason="",
            variants=(Variant(name="main", model="digits", number=1),),
            created_at=self._clock.now(),
            updated_at=self._clock.now(),
            version=1,
        )


class EmptyRegistry:
    """Knows no model, and permits code."""

    def permits_code(self, project: str) -> bool:
        return True

    def quota(self, project: str) -> Quota:
        return Quota()

    def model_version(self, project: str, ref: str) -> None:
        raise NotFoundError(f"There is no model version '{ref}'")


@pytest.fixture
def carried() -> list[str]:
    """Ids of the runs whose workflow was started."""
    return []


@pytest.fixture
def application(database: Database, tmp_path: Path, stub_guard: Guard, list_audit, carried: list[str]) -> FastAPI:
    clock, creations, registry = FakeClock(), Creations(), EmptyRegistry()
    endpoints, objects = Endpoints(clock), open_objects("memory://")
    events = EventService(database, EventRepository(), clock)
    feedback = FeedbackService(database, FeedbackRepository(), endpoints, clock)
    captures = CaptureService(database, CaptureRepository(), objects, feedback)
    keep = timedelta(days=90)
    retention = CaptureRetention(database, CaptureRepository(), objects, feedback, dict, keep, clock)
    queries = QueryService(captures, feedback, endpoints, tmp_path / "queries")
    labelled = LabelledReader(captures, feedback)
    monitoring = assemble(
        database=database,
        creations=creations,
        endpoints=endpoints,
        registry=registry,
        engine=SimpleNamespace(resolve_image=lambda reference: f"{reference.partition(':')[0]}@sha256:{'0' * 64}"),
        captures=captures,
        feedback=feedback,
        labelled=labelled,
        events=events,
        references=tmp_path / "references",
        workplace=tmp_path / "detectors",
        mail=EmailSender(url="", sender="modelyard@example.org"),
        clock=clock,
    )
    monitors = monitoring.service
    history = QualityHistory(labelled, registry, endpoints, clock)
    runs = RetrainingRepository()
    policies = PolicyService(database, runs, creations, endpoints, monitors, events, clock)
    collector = Collector(registry, SimpleNamespace(), labelled, feedback, tmp_path / "retraining")
    quality = QualityService(labelled, endpoints, clock)
    decay = SequentialDecay(database, runs, registry, LabelCounter(labelled, feedback, clock))
    conditions = Conditions(database, runs, monitors, endpoints, feedback, collector, decay, clock)
    retraining = RetrainingService(database, runs, creations, policies, conditions, endpoints, collector, events, clock)
    _capture(tmp_path / "spool", clock)
    CaptureIngest(database, CaptureRepository(), objects, tmp_path / "spool", clock).run_once()
    routers = [
        captures_api.router(captures, retention, stub_guard),
        queries_api.router(queries, stub_guard),
        feedback_api.router(feedback, quality, history, stub_guard),
        monitors_api.router(monitors, monitoring.runner, stub_guard),
        detectors_api.router(monitoring.detectors, stub_guard),
        alerts_api.router(monitoring.alerts, stub_guard),
        retraining_api.router(policies, retraining, carried.append, stub_guard),
    ]
    return create_application(title="Loop", description="Test.", routers=routers, audit=list_audit, version="1")


def _capture(spool: Path, clock: FakeClock) -> None:
    writer = SpoolWriter(spool)
    for index in range(3):
        clock.sleep(1)
        writer.append(
            CaptureRecord(
                id=f"inf-{index}",
                at_ns=int(clock.now().timestamp()) * 10**9,
                project="default",
                endpoint="digits",
                variant="main",
                model="digits",
                number=1,
                rows=1,
                latency_us=900,
                queue_us=100,
                principal="token-1",
                inputs=(to_raw("numeric", np.array([[np.nan, index]], dtype=np.float32)),),
                outputs=(to_raw("label", np.array([index], dtype=np.int64)),),
            )
        )
    writer.close()


@pytest.fixture
def client(application: FastAPI, connect: Callable[..., TestClient]) -> TestClient:
    return connect(application, "default-operator")


def test_every_route_is_protected(application: FastAPI, assert_protected):
    assert assert_protected(application) == 37


def test_inferences_are_listed_in_pages_filtered_and_shown(client: TestClient):
    page = client.get(f"{DIGITS}/inferences", params={"limit": 2}).json()
    assert [item["id"] for item in page["items"]] == ["inf-2", "inf-1"]
    rest = client.get(f"{DIGITS}/inferences", params={"limit": 2, "cursor": page["next_cursor"]}).json()
    assert ([item["id"] for item in rest["items"]], rest["next_cursor"]) == (["inf-0"], None)
    since = page["items"][0]["at"]
    found = client.get(f"{DIGITS}/inferences", params={"since": since, "version": "digits:1"}).json()
    assert [item["id"] for item in found["items"]] == ["inf-2"]
    shown = client.get(f"{DIGITS}/inferences/inf-1").json()
    assert (shown["inputs"], shown["outputs"]) == ({"numeric": [[None, 1.0]]}, {"label": [1]})
    assert client.get(f"{DIGITS}/inferences", params={"variant": "canary"}).json()["items"] == []


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"{DIGITS}/inferences/nothing", 404, "inference_not_found"),
        (f"{DIGITS}/inferences?since=2026-01-01T00:00:00", 400, "time_range_invalid"),
        (f"{DIGITS}/inferences?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", 400, "time_range_invalid"),
        (f"{DIGITS}/inferences?since=yesterday", 400, "invalid_input"),
        (f"{DIGITS}/inferences?cursor=none", 400, "cursor_invalid"),
        (f"{DIGITS}/metrics?window=week", 400, "window_invalid"),
        (f"{BASE}/endpoints/nobody/metrics", 404, "endpoint_not_found"),
        (f"{DIGITS}/metrics/history?window=week", 400, "window_invalid"),
        (f"{BASE}/alert-channels/nothing", 404, "alert_channel_not_found"),
        (f"{BASE}/detectors/nothing", 404, "detector_not_found"),
        (f"{BASE}/monitors/nothing", 404, "monitor_not_found"),
        (f"{BASE}/monitors/nothing/reports", 404, "monitor_not_found"),
        (f"{BASE}/retraining-policies/nothing", 404, "retraining_policy_not_found"),
        (f"{BASE}/retraining-policies/nothing/runs", 404, "retraining_policy_not_found"),
    ],
)
def test_wrong_questions_get_an_answer_with_a_code(client: TestClient, path: str, status: int, code: str):
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["message"]


def test_feedback_is_taken_and_becomes_accuracy(client: TestClient):
    items = [{"inference_id": f"inf-{index}", "truth": truth} for index, truth in enumerate([0, ["1"], [7]])]
    answer = client.post(f"{DIGITS}/feedback", json={"items": items})
    assert answer.json() == {"accepted": 3, "duplicate": 0, "conflicting": 0}
    assert client.post(f"{DIGITS}/feedback", json={"items": items}).json()["duplicate"] == 3
    (metric,) = client.get(f"{DIGITS}/metrics", params={"window": "1h"}).json()
    assert (metric["model_version"], metric["metric"], metric["n"]) == ("digits:1", "accuracy", 3)
    assert metric["value"] == pytest.approx(2 / 3)
    assert client.get(f"{DIGITS}/inferences/inf-2").json()["feedback"] == [7]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "items"),
        ({"items": []}, "items"),
        ({"items": [{"inference_id": "inf-0"}]}, "items.0.truth"),
        ({"items": [{"inference_id": "", "truth": 1}]}, "items.0.inference_id"),
        ({"items": [{"inference_id": "inf-0", "truth": {"label": 1}}]}, "items.0.truth"),
        ({"items": [{"inference_id": "inf-0", "truth": []}]}, "items.0.truth"),
    ],
)
def test_feedback_of_the_wrong_form_is_refused_with_its_place(client: TestClient, body: dict, field: str):
    answer = client.post(f"{DIGITS}/feedback", json=body)
    assert answer.status_code == 400
    assert answer.json()["field"].startswith(field)


def test_captures_are_queried_exported_and_deleted(client: TestClient):
    sql = "SELECT inference_id, answer_label FROM inferences ORDER BY 1"
    answer = client.post(f"{DIGITS}/captures/query", json={"sql": sql, "limit": 2}).json()
    assert (answer["rows"], answer["is_truncated"]) == ([["inf-0", 0], ["inf-1", 1]], True)
    exported = client.get(f"{DIGITS}/captures/export", params={"format": "csv", "where": "answer_label = 2"})
    assert exported.headers["content-type"].startswith("text/csv")
    assert len(exported.text.splitlines()) == 2
    wrong = client.post(f"{DIGITS}/captures/query", json={"sql": "DROP TABLE inferences"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "query_invalid")
    until = client.get(f"{DIGITS}/inferences/inf-1").json()["at"]
    assert client.delete(f"{DIGITS}/inferences", params={"until": until}).json() == {"inferences": 2}
    assert [item["id"] for item in client.get(f"{DIGITS}/inferences").json()["items"]] == ["inf-2"]


def test_files_of_feedback_are_taken_and_counted(client: TestClient):
    lines = b"inference_id,truth\ninf-0,0\ninf-1,5\ninf-9,1\n,1\n"
    sent = client.post(f"{DIGITS}/feedback/files", content=lines, headers={"Content-Type": "text/csv"}).json()
    assert (sent["accepted"], sent["refused"], sent["refusals"][0]["line"]) == (3, 1, 5)
    summary = client.get(f"{DIGITS}/feedback").json()
    assert (summary["inferences"], summary["labels"], summary["pending"]) == (3, 3, 3)
    assert client.get(f"{DIGITS}/feedback?late_after=soon").json()["code"] == "window_invalid"


def test_a_monitor_lives_from_creation_to_deletion(client: TestClient):
    made = client.post(f"{BASE}/monitors", json=MONITOR, headers={"Idempotency-Key": "1"})
    assert (made.status_code, made.headers["ETag"]) == (201, '"1"')
    assert client.post(f"{BASE}/monitors", json=MONITOR, headers={"Idempotency-Key": "1"}).json() == made.json()
    assert client.post(f"{BASE}/monitors", json=MONITOR).json()["code"] == "monitor_exists"
    assert [item["name"] for item in client.get(f"{BASE}/monitors").json()["items"]] == ["watch"]

    stale = client.patch(f"{BASE}/monitors/watch", json={"window_rows": 50}, headers={"If-Match": '"9"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    changed = client.patch(f"{BASE}/monitors/watch", json={"window_rows": 50}, headers={"If-Match": '"1"'})
    assert (changed.json()["window_rows"], changed.headers["ETag"]) == (50, '"2"')

    report = client.post(f"{BASE}/monitors/watch/run").json()
    assert (report["verdict"], report["endpoint"]) == ("FAILED", "digits")
    assert "There is no model version 'digits:1'" in report["sentence"]
    assert [item["id"] for item in client.get(f"{BASE}/monitors/watch/reports").json()["items"]] == [report["id"]]
    assert client.get(f"{BASE}/monitors/watch").json()["last_report"]["id"] == report["id"]

    assert client.delete(f"{BASE}/monitors/watch").status_code == 204
    assert client.get(f"{BASE}/monitors/watch").status_code == 404


def test_an_alarm_is_acknowledged_and_a_monitor_silenced(client: TestClient):
    client.post(f"{BASE}/monitors", json=MONITOR)
    early = client.post(f"{BASE}/monitors/watch/acknowledge")
    assert (early.status_code, early.json()["code"]) == (409, "monitor_nothing_to_acknowledge")
    report = client.post(f"{BASE}/monitors/watch/run").json()
    assert client.post(f"{BASE}/monitors/watch/acknowledge").json()["acknowledged"] == report["id"]
    silent = client.post(f"{BASE}/monitors/watch/silence", json={"until": "2030-01-01T00:00:00Z"})
    assert silent.json()["silenced_until"].startswith("2030-01-01")
    assert client.post(f"{BASE}/monitors/watch/silence", json={"until": None}).json()["silenced_until"] is None
    assert client.post(f"{BASE}/monitors/watch/silence", json={"until": "2030-01-01"}).status_code == 400


def test_a_channel_shows_its_secret_once_and_a_test_alert_is_on_its_way(client: TestClient):
    body = {"name": "on-call", "kind": "webhook", "target": "https://hooks.example.org/x"}
    made = client.post(f"{BASE}/alert-channels", json=body)
    assert made.status_code == 201
    assert made.json()["secret"].startswith("whsec_")
    assert client.get(f"{BASE}/alert-channels/on-call").json()["secret"] is None
    assert [item["secret"] for item in client.get(f"{BASE}/alert-channels").json()["items"]] == [None]
    sent = client.post(f"{BASE}/alert-channels/on-call/test").json()
    assert (sent["status"], sent["alert"]["kind"]) == ("PENDING", "test")
    assert [item["id"] for item in client.get(f"{BASE}/alert-deliveries").json()["items"]] == [sent["id"]]
    assert client.post(f"{BASE}/monitors", json=MONITOR | {"channels": ["on-call"]}).status_code == 201
    bad = client.post(f"{BASE}/alert-channels", json=body | {"name": "other", "target": "nowhere"})
    assert (bad.status_code, bad.json()["code"], bad.json()["field"]) == (400, "alert_target_invalid", "target")
    assert client.delete(f"{BASE}/alert-channels/on-call").status_code == 204


def test_detectors_are_listed_kept_and_deleted(client: TestClient):
    names = [item["name"] for item in client.get(f"{BASE}/detectors").json()]
    assert names == [
        *("drift", "input-drift", "prediction-drift", "multivariate-drift", "estimated-quality", "quality"),
    ]
    source = "class Mine:\n    def detect(self, reference, window, settings): ..."
    kept = client.put(f"{BASE}/detectors/mine", json={"source": source})
    assert (kept.status_code, kept.headers["ETag"]) == (200, '"1"')
    assert client.get(f"{BASE}/detectors/mine").json()["source"] == source
    assert client.post(f"{BASE}/monitors", json=MONITOR | {"detectors": ["drift", "mine"]}).status_code == 201
    bad = client.put(f"{BASE}/detectors/mine", json={"source": "x = 1"})
    assert (bad.status_code, bad.json()["code"]) == (400, "detector_invalid")
    for body in ({}, {"source": source, "image": "scorer:3"}, {"source": source, "command": ["serve"]}):
        assert client.put(f"{BASE}/detectors/mine", json=body).status_code == 400, body
    assert client.get(f"{BASE}/detectors/mine").json()["image"] is None
    image = {"image": "example.com/night:2", "command": ["python3", "/night.py"]}
    assert client.put(f"{BASE}/detectors/mine", json=image).headers["ETag"] == '"2"'
    found = client.get(f"{BASE}/detectors/mine").json()
    assert found["source"] is None
    assert found["image"] == {
        "reference": "example.com/night:2",
        "digest": f"example.com/night@sha256:{'0' * 64}",
        "command": ["python3", "/night.py"],
    }
    assert client.delete(f"{BASE}/detectors/mine").status_code == 204


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"cron": "often"}, 400, "monitor_schedule_invalid", "cron"),
        ({"baseline": "yesterday"}, 400, "monitor_baseline_invalid", "baseline"),
        ({"channels": ["nobody"]}, 404, "alert_channel_not_found", "channels"),
        ({"detectors": ["drfit"]}, 400, "detector_unknown", "detectors"),
        ({"name": "No good"}, 400, "name_invalid", "name"),
        ({"window_rows": 20, "minimum_rows": 30}, 400, "monitor_window_invalid", "window_rows"),
        ({"interval_seconds": 0}, 400, "invalid_input", "interval_seconds"),
        ({"detektor": "drift"}, 400, "invalid_input", "detektor"),
        ({"endpoint": "nobody"}, 404, "endpoint_not_found", None),
    ],
)
def test_a_monitor_that_could_never_work_is_refused(client: TestClient, change, status, code, field):
    answer = client.post(f"{BASE}/monitors", json=MONITOR | change)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (status, code, field)


def test_a_policy_lives_from_creation_to_deletion_and_runs_by_hand(client: TestClient, carried: list[str]):
    assert client.post(f"{BASE}/retraining-policies", json=POLICY).json()["code"] == "monitor_not_found"
    client.post(f"{BASE}/monitors", json=MONITOR)
    made = client.post(f"{BASE}/retraining-policies", json=POLICY)
    assert (made.status_code, made.headers["ETag"], made.json()["minimum_gain"]) == (201, '"1"', 0.01)
    assert client.post(f"{BASE}/retraining-policies", json=POLICY).json()["code"] == "retraining_policy_exists"
    changed = client.patch(f"{BASE}/retraining-policies/again", json={"is_enabled": False})
    assert (changed.json()["is_enabled"], changed.headers["ETag"]) == (False, '"2"')
    assert client.get(f"{BASE}/retraining-policies/again").json() == changed.json()
    assert len(client.get(f"{BASE}/retraining-policies").json()["items"]) == 1

    status = client.get(f"{BASE}/retraining-policies/again/status").json()
    assert status == {"policy": "again", "is_due": False, "sentence": "is switched off"}
    unknown = client.post(f"{BASE}/retraining-policies/again/run", json={"version": "digits:9"})
    assert (unknown.status_code, unknown.json()["message"]) == (404, "There is no model version 'digits:9'")

    started = client.post(f"{BASE}/retraining-policies/again/run", headers={"Idempotency-Key": "1"})
    assert (started.status_code, started.json()["status"]) == (202, "COLLECTING")
    assert started.json()["cause"] == "Started by hand by default-operator."
    repeated = client.post(f"{BASE}/retraining-policies/again/run", headers={"Idempotency-Key": "1"})
    assert repeated.json()["id"] == started.json()["id"]
    assert set(carried) == {started.json()["id"]}
    second = client.post(f"{BASE}/retraining-policies/again/run")
    assert (second.status_code, second.json()["code"]) == (409, "retraining_active")
    assert len(client.get(f"{BASE}/retraining-policies/again/runs").json()["items"]) == 1

    assert client.delete(f"{BASE}/retraining-policies/again").status_code == 204
    assert client.get(f"{BASE}/retraining-policies/again").status_code == 404


def test_the_rules_of_a_policy_are_checked_and_change_one_by_one(client: TestClient):
    policies = f"{BASE}/retraining-policies"
    rules = {"triggers": {"schedule": "0 3 * * 1"}, "budget": {"runs_per_week": 3}, "gate": {"replay_requests": 10}}
    body = {"name": "again", "endpoint": "digits", **rules}
    for wrong, code, field in [
        ({"triggers": {"schedule": "now and then"}}, "schedule_invalid", "triggers.schedule"),
        ({"triggers": {"maximum_decay": 2}}, "invalid_input", "triggers.maximum_decay"),
        ({"window": {"kind": "NEWEST"}}, "data_window_invalid", "window.rows"),
        ({"gate": {"significance_level": 0.7}}, "invalid_input", "gate.significance_level"),
        ({"budget": {"runs": 3}}, "invalid_input", "budget.runs"),
    ]:
        answer = client.post(policies, json=body | wrong)
        assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, code, field)
    made = client.post(policies, json=body).json()
    assert (made["gate"]["replay_requests"], made["gate"]["significance_level"]) == (10, 0.05)
    assert made["window"] == {"kind": "ALL", "rows": None, "since": None, "weight": 2}
    change = {"window": {"kind": "SINCE", "since": "2026-01-01T00:00:00Z"}, "gate": {"maximum_slowdown": 2}}
    changed = client.patch(f"{policies}/again", json=change).json()
    assert (changed["gate"]["replay_requests"], changed["gate"]["maximum_slowdown"]) == (10, 2)
    assert changed["window"]["since"] == "2026-01-01T00:00:00Z"
    assert client.get(f"{policies}/again").json() == changed
    cleared = client.patch(f"{policies}/again", json={"triggers": {"schedule": None}}).json()
    assert cleared["triggers"]["schedule"] is None
    sentence = client.get(f"{policies}/again/status").json()["sentence"]
    assert sentence == "waits for 200 more labelled rows (0 of 200)"
