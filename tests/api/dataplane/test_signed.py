"""Signed requests: the gateway answers for endpoints that it serves, control for those that may be made of several."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from modelyard.dataplane.gateway.signing import date_key, signed_headers
from modelyard.kit.foreign_names import own_name
from modelyard.testing.scripted_model import client, start_scripted
from modelyard.testing.serving import Serving, endpoint, variant
from modelyard.types.access import Role
from modelyard.types.routing import RouteToken

KEY, SECRET = "AKIAEXAMPLEEXAMPLE00", "a secret of forty characters, more or les"
CONTROL = (503, "control_unavailable")  # no control runs here: this says that it was asked


@pytest.fixture
def serving(start: Callable[..., Serving]) -> Serving:
    """A gateway with an endpoint of the key's project, one of another, a target that is loaded and one on its way."""
    started = start()
    days = [(datetime.now(UTC) + timedelta(days=number)).strftime("%Y%m%d") for number in (0, 1)]
    keys = {day: date_key(SECRET, day) for day in days}
    signer = RouteToken(id=KEY, secret_sha256="", project="shop", role=Role.VIEWER, date_keys=keys)
    loaded = endpoint(own_name("Many/a.tar.gz"), variant(start_scripted(started, "many-1")), project="shop")
    loading = endpoint(own_name("Many/b.tar.gz"), project="shop")
    started.publish(
        endpoint("served", project="shop"), endpoint("foreign", project="bank"), loaded, loading, tokens=[signer]
    )
    return started


def outcome(
    serving: Serving, name: str, key_id: str = KEY, verb: str = "invocations", target: str = ""
) -> tuple[int, str]:
    path = f"/endpoints/{name}/{verb}"
    headers = signed_headers(
        SECRET, key_id, path, {"host": f"127.0.0.1:{serving.port}", "x-amzn-sagemaker-target-model": target}, b"1"
    )
    answer = httpx.post(f"{serving.url}{path}", content=b"1", headers=headers, timeout=60)
    return answer.status_code, answer.headers.get("x-amzn-errortype") or answer.json()["code"]


def test_signed_requests_for_what_the_gateway_does_not_serve_are_controls(serving: Serving):
    assert outcome(serving, "many") == CONTROL
    assert outcome(serving, "many", verb="invocations-response-stream") == CONTROL
    assert outcome(serving, "foreign") == CONTROL
    assert outcome(serving, "served") == (503, "ServiceUnavailable")


def test_a_model_that_is_loaded_is_asked_by_the_gateway_itself(serving: Serving):
    assert outcome(serving, "Many", target="a.tar.gz") == (424, "ModelError"), "a model of tensors takes no such body"
    assert outcome(serving, "Many", target="b.tar.gz") == CONTROL, "it holds what asks for a model on its way"
    assert outcome(serving, "Many", target="c.tar.gz") == CONTROL
    assert outcome(serving, "served", target="a.tar.gz") == (400, "ValidationError"), "it is no endpoint of many models"


def test_unknown_keys_and_tokens_do_not_reach_control(serving: Serving):
    assert outcome(serving, "many", key_id="AKIAUNKNOWN000000000") == (403, "UnrecognizedClientException")
    with client(serving) as http:
        answer = http.post("/endpoints/many/invocations", content=b"1")
    assert (answer.status_code, answer.json()["code"]) == (404, "endpoint_not_found")


def test_paths_of_other_aws_services_are_controls_though_the_gateway_has_paths_beside_them(serving: Serving):
    headers = signed_headers(SECRET, KEY, "/v1/voices", {"host": f"127.0.0.1:{serving.port}"}, b"")
    with httpx.Client(base_url=serving.url, timeout=60) as http:
        signed, plain = http.get("/v1/voices", headers=headers), http.get("/v1/voices")
    assert (signed.status_code, signed.json()["code"]) == CONTROL
    assert (plain.status_code, plain.json()["error"]["code"]) == (404, "route_not_found")
