"""Errors of queues, quotas, reservations and budgets."""

from datetime import UTC, datetime, timedelta

import httpx
from stage import Stage

from provokers.jobs import TABLE, train
from provokers.registration import provokes

DAY = timedelta(days=1)


@provokes("queue_not_found")
def queue_not_found(stage: Stage) -> httpx.Response:
    return stage.call("GET", "/jobs/v1/queues/nightly")


@provokes("queue_exists")
def queue_exists(stage: Stage) -> httpx.Response:
    return stage.call("POST", "/jobs/v1/queues", json={"name": "default"})


@provokes("queue_in_use")
def queue_in_use(stage: Stage) -> httpx.Response:
    return stage.call("DELETE", "/jobs/v1/queues/default")


@provokes("host_not_found")
def host_not_found(stage: Stage) -> httpx.Response:
    return stage.call("PUT", "/jobs/v1/hosts/rack-7", json={"cpus": 1, "memory_bytes": 1, "jobs": 1})


@provokes("job_never_fits")
def job_never_fits(stage: Stage) -> httpx.Response:
    return train(stage, schedule={"reservation": "reservation-1"})


@provokes("job_not_waiting")
def job_not_waiting(stage: Stage) -> httpx.Response:
    return stage.jobs_call("POST", "/jobs/job-1/hold")


@provokes("reservation_not_found")
def reservation_not_found(stage: Stage) -> httpx.Response:
    return stage.jobs_call("DELETE", "/reservations/reservation-1")


@provokes("reservation_invalid")
def reservation_invalid(stage: Stage) -> httpx.Response:
    yesterday = datetime.now(UTC) - DAY
    body = {"cpus": 1, "starts_at": yesterday.isoformat(), "ends_at": (yesterday + DAY).isoformat()}
    return stage.jobs_call("POST", "/reservations", json=body)


@provokes("quota_exceeded")
def quota_exceeded(stage: Stage) -> httpx.Response:
    stage.registry_call("PUT", "/quota", json={"storage_bytes": 0}).raise_for_status()
    try:
        return stage.dataset(TABLE, "table.csv")
    finally:
        stage.registry_call("PUT", "/quota", json={}).raise_for_status()


@provokes("budget_not_found")
def budget_not_found(stage: Stage) -> httpx.Response:
    return stage.jobs_call("DELETE", "/budget")


@provokes("budget_exhausted")
def budget_exhausted(stage: Stage) -> httpx.Response:
    stage.jobs_call("PUT", "/budget", json={"amount": 0, "stops": True}).raise_for_status()
    try:
        return train(stage)
    finally:
        stage.jobs_call("DELETE", "/budget").raise_for_status()


@provokes("period_invalid")
def period_invalid(stage: Stage) -> httpx.Response:
    return stage.call("GET", "/jobs/v1/costs?since=2026-02-02&until=2026-02-01")
