"""Routes of endpoints and events on the real services. Nothing reconciles here: endpoints stay as they were wished."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from modelyard.control.endpoints import api as endpoints_api
from modelyard.control.endpoints.assembly import assemble, make_planning
from modelyard.control.endpoints.planning.api import plans_router
from modelyard.control.events import api as events_api
from modelyard.control.events.repository import EventRepository
from modelyard.control.events.service import EventService
from modelyard.control.events.streaming import event_stream, start_of
from modelyard.control.rest.application import create_application
from modelyard.control.rest.guard import Guard
from modelyard.engines.local.engine import LocalEngine
from modelyard.errors import NotFoundError
from modelyard.kit.clock import FakeClock
from modelyard.settings import Home
from modelyard.storage.creations import Creations
from modelyard.storage.database import Database
from modelyard.types.compute.scheduling import Quota
from modelyard.types.models import ArtifactFormat, Lineage, Manifest, ModelCard, ModelVersion
from modelyard.types.signatures import Signature

PATH = "/projects/default/endpoints"


class OneModel:
    """A registry with the model "digits", whose alias "champion" is version 2."""

    most_endpoints: int | None = None

    def quota(self, project: str) -> Quota:
        return Quota(endpoints=self.most_endpoints)

    def model_version(self, project: str, ref: str) -> ModelVersion:
        numbers = {"digits": 3, "digits@champion": 2, "digits:1": 1, "digits:2": 2}
        if ref not in numbers:
            raise NotFoundError(f"There is no model version '{ref}'")
        card = ModelCard(task="other")
        signature = Signature(inputs=(), outputs=())
        return ModelVersion(
            project=project,
            model="digits",
            number=numbers[ref],
            digest=str(numbers[ref]) * 64,
            size_bytes=1,
            manifest=Manifest(artifact="m", artifact_format=ArtifactFormat.ONNX, signature=signature, card=card),
            files=(),
            lineage=Lineage(),
            created_at=FakeClock().now(),
        )


@pytest.fixture
def application(database: Database, tmp_path: Path, stub_guard: Guard, list_audit) -> FastAPI:
    home = Home(tmp_path / "home")
    home.create()
    clock = FakeClock()
    events = EventService(database, EventRepository(), clock)
    service, _reconciler = assemble(
        database=database,
        registry=OneModel(),
        engine=LocalEngine(home),
        events=events,
        tokens=list,
        home=home,
        clock=clock,
    )
    planning = make_planning(database=database, registry=OneModel(), engine=LocalEngine(home), home=home, clock=clock)
    routers = [
        endpoints_api.router(service, stub_guard),
        plans_router(planning, stub_guard),
        events_api.router(events, Creations(), stub_guard),
    ]
    return create_application(title="Operations", description="Test.", routers=routers, audit=list_audit, version="1")


@pytest.fixture
def operator(application: FastAPI, connect: Callable[..., TestClient]) -> TestClient:
    return connect(application, "default-operator")


def create(client: TestClient, name: str = "digits", ref: str = "digits@champion", **options: object):
    return client.post(PATH, json={"name": name, "variants": [{"model": ref}], **options})


def test_every_route_is_protected(application: FastAPI, assert_protected):
    assert assert_protected(application) == 15


def test_an_endpoint_is_created_and_its_alias_is_looked_up_once(operator: TestClient):
    made = create(operator)
    assert (made.status_code, made.headers["ETag"]) == (201, '"1"')
    body = made.json()
    assert (body["status"], body["url"]) == ("CREATING", "/v2/models/digits")
    assert (body["variants"][0]["name"], body["variants"][0]["number"]) == ("main", 2)
    assert operator.get(f"{PATH}/digits").json() == body
    assert [item["name"] for item in operator.get(PATH).json()["items"]] == ["digits"]


def test_a_project_gets_no_more_endpoints_than_its_quota(operator: TestClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(OneModel, "most_endpoints", 1)
    assert create(operator).status_code == 201
    refused = create(operator, "second")
    assert (refused.status_code, refused.json()["code"]) == (409, "quota_exceeded")


def test_what_an_endpoint_shows_can_be_sent_back_as_a_change(operator: TestClient):
    variants = create(operator).json()["variants"]
    assert operator.patch(f"{PATH}/digits", json={"variants": variants}).json()["rollout"] is None


def test_a_variant_may_be_isolated_and_stops_being_so_by_a_rollout(operator: TestClient):
    made = operator.post(PATH, json={"name": "digits", "variants": [{"model": "digits:1", "is_isolated": True}]}).json()
    assert made["variants"][0]["is_isolated"] is True
    changed = operator.patch(f"{PATH}/digits", json={"variants": [{"model": "digits:1"}]}).json()
    assert changed["rollout"]["to_variants"][0]["is_isolated"] is False


def test_scaling_is_set_shown_changed_and_ended(operator: TestClient):
    scaling = {"minimum_replicas": 0, "maximum_replicas": 4, "idle_seconds": 60.0, "p99_ms": 20.0}
    made = create(operator, scaling=scaling).json()
    assert (made["scaling"], made["variants"][0]["replicas"]) == (scaling, 1)
    assert operator.patch(f"{PATH}/digits", json={"capture_share": 0.5}).json()["scaling"] == scaling
    fewer = scaling | {"maximum_replicas": 2}
    changed = operator.patch(f"{PATH}/digits", json={"scaling": fewer}).json()
    assert (changed["scaling"], changed["rollout"]) == (fewer, None)
    assert operator.post(f"{PATH}/digits/scale", json={"replicas": 3}).json()["scaling"] is None


@pytest.mark.parametrize(
    ("scaling", "field"),
    [
        ({"minimum_replicas": 3, "maximum_replicas": 2}, "scaling"),
        ({"minimum_replicas": -1}, "scaling.minimum_replicas"),
        ({"maximum_replicas": 65}, "scaling.maximum_replicas"),
        ({"p99_ms": 0}, "scaling.p99_ms"),
        ({"replicas": 1}, "scaling.replicas"),
    ],
)
def test_scaling_that_cannot_be_is_refused(scaling: dict[str, object], field: str, operator: TestClient):
    answer = create(operator, scaling=scaling)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_plans_need_a_load_and_a_target_that_is_there(operator: TestClient):
    plans = "/projects/default/plans"
    assert operator.post(plans, json={"target": "digits", "requests_per_second": 0}).json()["field"] == (
        "requests_per_second"
    )
    missing = operator.post(plans, json={"target": "ghost", "requests_per_second": 1})
    assert missing.status_code == 404


def test_creating_is_idempotent_and_errors_have_their_codes(operator: TestClient):
    first = operator.post(
        PATH, json={"name": "a", "variants": [{"model": "digits"}]}, headers={"Idempotency-Key": "x"}
    ).json()
    again = operator.post(
        PATH, json={"name": "a", "variants": [{"model": "digits"}]}, headers={"Idempotency-Key": "x"}
    ).json()
    assert again == first
    two = [{"model": "digits"}] * 2
    none = [{"model": "digits", "replicas": 0}]
    for body, status, code, field in (
        ({"name": "a", "variants": [{"model": "digits"}]}, 409, "endpoint_exists", "name"),
        ({"name": "B", "variants": [{"model": "digits"}]}, 400, "name_invalid", "name"),
        ({"name": "b", "variants": []}, 400, "variants_invalid", "variants"),
        ({"name": "b", "variants": [{"model": "ghost"}]}, 404, "not_found", None),
        ({"name": "b", "variants": [{"model": "digits", "wieght": 1}]}, 400, "invalid_input", "variants.0.wieght"),
        (
            {"name": "b", "variants": none},
            400,
            "variants_invalid",
            "variants.0.replicas",
        ),
        ({"name": "b", "variants": two}, 400, "variants_invalid", "variants.1.name"),
        ({"name": "b", "variants": [{"model": "digits"}], "capture_share": 2}, 400, "invalid_input", "capture_share"),
    ):
        answer = operator.post(PATH, json=body)
        assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (status, code, field), body


def test_a_change_checks_the_etag_and_begins_a_rollout(operator: TestClient):
    create(operator)
    changed = operator.patch(
        f"{PATH}/digits", json={"variants": [{"model": "digits:1"}], "capture_share": 0.5}, headers={"If-Match": '"1"'}
    )
    assert (changed.headers["ETag"], changed.json()["status"], changed.json()["capture_share"]) == (
        '"2"',
        "UPDATING",
        0.5,
    )
    stale = operator.patch(f"{PATH}/digits", json={"capture_share": 1}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    rollouts = operator.get(f"{PATH}/digits/rollouts").json()["items"]
    assert [(r["status"], r["to_variants"][0]["number"]) for r in rollouts] == [("RUNNING", 1)]
    weights = operator.patch(f"{PATH}/digits", json={"weights": {"ghost": 1}})
    assert (weights.json()["code"], weights.json()["field"]) == ("variant_not_found", "weights.ghost")


def test_scale_stop_start_and_delete(operator: TestClient):
    create(operator)
    assert operator.post(f"{PATH}/digits/scale", json={"replicas": 3}).json()["variants"][0]["replicas"] == 3
    assert operator.post(f"{PATH}/digits/scale", json={"replicas": 65}).json()["field"] == "replicas"
    assert operator.post(f"{PATH}/digits/stop").json()["status"] == "STOPPED"
    assert operator.post(f"{PATH}/digits/start").json()["status"] == "CREATING"
    deleted = operator.delete(f"{PATH}/digits")
    assert (deleted.status_code, deleted.json()["status"]) == (202, "DELETING")
    assert operator.post(f"{PATH}/digits/stop").json()["code"] == "endpoint_deleting"
    missing = operator.get(f"{PATH}/ghost")
    assert (missing.status_code, missing.json()["code"]) == (404, "endpoint_not_found")


def test_a_stream_of_events_goes_on_where_its_reader_was_cut_off(database: Database):
    events = EventService(database, EventRepository(), FakeClock())

    async def read(after: int, count: int, subject: str | None = None) -> list[str]:
        stream = event_stream(events, "default", subject, after, poll_seconds=0.01)
        frames: list[str] = []
        async with asyncio.timeout(20):
            async for frame in stream:
                text = frame.decode()
                if text.startswith("id: "):
                    frames.append(text)
                if len(frames) == count:
                    break
        return frames

    for number in range(3):
        events.append("default", f"endpoint/e{number % 2}", "rollout_completed", f"number {number}")
    events.append("other", "endpoint/e0", "rollout_completed", "another project's")
    first = asyncio.run(read(0, 2))
    assert ["number 0" in first[0], "number 1" in first[1]] == [True, True]
    assert first[0].split("\n")[1] == "event: rollout_completed"
    last = first[-1].split("\n")[0].removeprefix("id: ")
    [rest] = asyncio.run(read(start_of(events, "default", last), 1))
    assert "number 2" in rest
    assert start_of(events, "default", None) == events.sequence(rest.split("\n")[0].removeprefix("id: "))
    assert "number 1" in asyncio.run(read(0, 1, "endpoint/e1"))[0]


def test_a_stream_that_begins_nowhere_is_refused(operator: TestClient):
    answer = operator.get("/projects/default/events/stream", headers={"Last-Event-ID": "yesterday"})
    assert (answer.status_code, answer.json()["code"]) == (400, "event_id_invalid")


def test_events_tell_what_happened_in_pages(operator: TestClient):
    create(operator)
    create(operator, "other")
    operator.post(f"{PATH}/digits/stop")
    path = "/projects/default/events"
    newest = operator.get(path, params={"subject": "endpoint/digits"}).json()["items"]
    assert [event["kind"] for event in newest] == ["endpoint_stopped", "endpoint_created"]
    first = operator.get(path, params={"oldest_first": True, "limit": 2}).json()
    rest = operator.get(path, params={"oldest_first": True, "limit": 2, "cursor": first["next_cursor"]}).json()
    kinds = [event["kind"] for event in first["items"] + rest["items"]]
    assert kinds == ["endpoint_created", "endpoint_created", "endpoint_stopped"]
    assert rest["next_cursor"] is None


def test_only_events_of_pipelines_are_told_from_outside(operator: TestClient):
    told = {"subject": "pipeline/houses", "kind": "pipeline_notice", "message": "It is served."}
    path = "/projects/default/events"
    for _ in range(2):
        assert operator.post(path, json=told, headers={"Idempotency-Key": "once"}).status_code == 204
    assert [event["message"] for event in operator.get(path).json()["items"]] == ["It is served."]
    for wrong in ({"kind": "drift_found"}, {"subject": "endpoint/houses"}):
        assert operator.post(path, json=told | wrong).status_code == 400
