"""Errors that every REST application answers alike, from a running platform."""

import httpx
from stage import Stage

from provokers.registration import provokes


@provokes("cursor_invalid")
def cursor_invalid(stage: Stage) -> httpx.Response:
    return stage.registry_call("GET", "/models", params={"cursor": "page-2"})


@provokes("header_invalid")
def header_invalid(stage: Stage) -> httpx.Response:
    return stage.registry_call("PATCH", f"/models/{stage.model}", json={}, headers={"If-Match": "3"})


@provokes("idempotency_key_reused")
def idempotency_key_reused(stage: Stage) -> httpx.Response:
    key = {"Idempotency-Key": stage.name()}
    stage.registry_call("POST", "/models", json={"name": stage.name()}, headers=key).raise_for_status()
    return stage.registry_call("POST", "/models", json={"name": stage.name()}, headers=key)


@provokes("invalid_input")
def invalid_input(stage: Stage) -> httpx.Response:
    return stage.registry_call("POST", "/models", json={"name": ["digits"]})


@provokes("precondition_failed")
def precondition_failed(stage: Stage) -> httpx.Response:
    change = {"description": "Handwritten digits"}
    return stage.registry_call("PATCH", f"/models/{stage.model}", json=change, headers={"If-Match": '"99"'})


@provokes("too_large")
def too_large(stage: Stage) -> httpx.Response:
    return stage.registry_call("POST", "/models", content=b" " * ((16 << 20) + 1))


@provokes("route_not_found")
def route_not_found(stage: Stage) -> httpx.Response:
    return stage.call("GET", "/registry/v1/modles")


@provokes("method_not_allowed")
def method_not_allowed(stage: Stage) -> httpx.Response:
    return stage.call("GET", f"/v2/models/{stage.endpoint}/infer")
