"""Routes of costs, prices and budgets."""

import pytest

from modelyard.control.jobs.metering import JobSubjects
from modelyard.control.metering.api import router
from modelyard.control.metering.assembly import assemble
from modelyard.control.rest.application import create_application
from modelyard.kit.clock import SystemClock
from modelyard.types.processes import ProcessState, ProcessStatus, ProcessUsage


@pytest.fixture
def metering(database):
    clock = SystemClock()
    return assemble(database=database, engine=Nothing(), clock=clock, subjects=JobSubjects(tuple), kinds=("job",))


class Nothing:
    name = "nothing"
    has_nodes = False


@pytest.fixture
def application(metering, stub_guard, list_audit):
    routers = [router(metering.costs, stub_guard)]
    return create_application(title="Costs", description="", routers=routers, audit=list_audit, version="0")


def used(metering, project: str, cpu_seconds: float) -> None:
    metering.ledger.write(
        ProcessState(
            id=f"{project}-1",
            status=ProcessStatus.RUNNING,
            labels={"job": f"job-{project}", "project": project},
            usage=ProcessUsage(cpu_seconds=cpu_seconds),
        )
    )


def test_every_route_is_protected(application, assert_protected):
    assert assert_protected(application) == 7


def test_a_project_sees_its_own_costs_and_the_platform_sees_all(application, connect, metering):
    used(metering, "default", 3600)
    used(metering, "other", 7200)
    every = connect(application, "viewer").get("/costs").json()["items"]
    assert [(each["name"], each["cpu_seconds"]) for each in every] == [("other", 7200), ("default", 3600)]
    own = connect(application, "default-viewer")
    assert [each["name"] for each in own.get("/costs?by=job").json()["items"]] == ["job-default"]
    assert own.get("/costs?project=other").status_code == 403
    assert own.get("/costs?since=2026-02-02&until=2026-02-01").json()["code"] == "period_invalid"


def test_prices_are_set_by_administrators_and_their_history_is_kept(application, connect):
    admin = connect(application, "admin")
    assert admin.post("/prices", json={"cpu_hour": 0.5}).json()["prices"]["cpu_hour"] == 0.5
    assert len(connect(application, "viewer").get("/prices").json()["items"]) == 2


def test_a_budget_is_set_by_the_platform_and_not_by_the_project_itself(application, connect, metering):
    admin, own = connect(application, "admin"), connect(application, "default-admin")
    path = "/projects/default/budget"
    assert admin.get(path).json()["code"] == "budget_not_found"
    assert own.put(path, json={"amount": 1e9}).status_code == 403
    used(metering, "default", 3600)
    made = admin.put(path, json={"amount": 0.01, "stops": True}).json()
    assert (made["state"], made["stops"]) == ("EXHAUSTED", True)
    assert own.get(path).json()["spent"] == pytest.approx(0.04)
    assert admin.delete(path).status_code == 204
