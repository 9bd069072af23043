"""Routes of queues, hosts, reservations and waiting jobs."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.api.test_jobs import BODY, JOBS, TRAIN, application, scheduling, service  # noqa: F401 - fixtures


@pytest.fixture
def client(application, connect):  # noqa: F811
    return connect(application, "default-developer")


@pytest.fixture
def admin(application, connect):  # noqa: F811
    return connect(application, "admin")


def test_a_queue_is_made_changed_held_and_deleted(admin, client):
    made = admin.post("/queues", json={"name": "night", "priority": -5})
    assert (made.status_code, made.json()["priority"]) == (201, -5)
    assert admin.post("/queues", json={"name": "night"}).json()["code"] == "queue_exists"
    assert admin.patch("/queues/night", json={"hold": True}).json()["is_held"] is True
    assert [queue["name"] for queue in client.get("/queues").json()["items"]] == ["default", "night"]
    assert admin.delete("/queues/night").status_code == 204
    assert client.get("/queues/night").json()["code"] == "queue_not_found"
    assert admin.delete("/queues/default").json()["code"] == "queue_in_use"


def test_a_job_waits_shows_why_and_can_be_held_ranked_and_moved(client, scheduling):  # noqa: F811
    ids = [client.post(TRAIN, json=BODY).json()["id"] for _ in range(4)]
    scheduling.scheduler.round()
    shown = client.get(f"{JOBS}/{ids[2]}").json()["schedule"]
    assert (shown["state"], shown["queue"]) == ("WAITING", "default")
    assert shown["reason"]
    assert shown["planned_start"]
    assert shown["expected_start"]
    assert client.post(f"{JOBS}/{ids[2]}/hold").json()["is_held"] is True
    assert client.post(f"{JOBS}/{ids[2]}/release").json()["is_held"] is False
    assert client.patch(f"{JOBS}/{ids[2]}/schedule", json={"priority": 3}).json()["priority"] == 3
    assert client.post(f"{JOBS}/{ids[3]}/move", json={"before": ids[2]}).json()["priority"] == 3
    line = client.get("/queues/default/jobs").json()["items"]
    assert [(each["job"], each["position"]) for each in line] == [
        (ids[0], 0),
        (ids[1], 0),
        (ids[3], 1),
        (ids[2], 2),
    ]
    assert client.post(f"{JOBS}/{ids[0]}/hold").json()["code"] == "job_not_waiting"


def test_a_job_that_can_never_fit_is_refused(client):
    answer = client.post(TRAIN, json=BODY | {"resources": {"cpus": 3}})
    assert (answer.status_code, answer.json()["code"]) == (400, "job_never_fits")
    assert "quota of project 'default'" in answer.json()["message"]
    unknown = client.post(TRAIN, json=BODY | {"schedule": {"queue": "none"}})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "queue_not_found")


def test_what_a_host_offers_can_be_set(admin, client):
    (before,) = client.get("/hosts").json()["items"]
    assert before["cpus"] == 4
    body = {"cpus": 1, "memory_bytes": 1 << 30, "jobs": 1}
    assert admin.put("/hosts/local", json=body).json()["cpus"] == 1
    assert client.get("/hosts").json()["items"][0]["jobs"] == 1
    assert admin.put("/hosts/other", json=body).json()["code"] == "host_not_found"


def test_capacity_is_reserved_and_given_back(application, connect):  # noqa: F811
    operator = connect(application, "default-operator")
    start = datetime.now(UTC) + timedelta(hours=1)
    body = {"cpus": 2, "starts_at": start.isoformat(), "ends_at": (start + timedelta(hours=1)).isoformat()}
    path = "/projects/default/reservations"
    made = operator.post(path, json=body)
    assert made.status_code == 201, made.text
    assert [each["id"] for each in operator.get(path).json()["items"]] == [made.json()["id"]]
    again = operator.post(path, json=body)
    assert (again.status_code, again.json()["code"]) == (400, "reservation_invalid")
    assert operator.delete(f"{path}/{made.json()['id']}").status_code == 204
    assert operator.delete(f"{path}/{made.json()['id']}").json()["code"] == "reservation_not_found"
