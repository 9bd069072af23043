"""Every mistake that a caller can make has its own code, status and words."""

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from modelyard.testing.scripted_model import body, client, infer, start_scripted, value_of
from modelyard.testing.serving import TOKEN, Serving, endpoint, token, variant
from modelyard.types.routing import RouteToken

INFER = "/v2/models/echo/infer"


def tensor(**changes: object) -> bytes:
    return json.dumps(
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 0, 0], **changes}]}
    ).encode()


def check(response: httpx.Response, status: int, code: str) -> None:
    answer = response.json()
    assert (response.status_code, answer["code"]) == (status, code), response.text
    assert answer["message"]
    assert answer["hint"]
    assert answer.get("error", answer["message"]) == answer["message"]


@pytest.mark.parametrize(
    ("content", "code", "field"),
    [
        (b"", "invalid_json", None),
        (b"{", "invalid_json", None),
        (b'{"inputs": [NaN]}', "invalid_json", None),
        (b"[" * 100_000, "invalid_json", None),
        (b'{"inputs": "\xff"}', "invalid_json", "inputs"),
        (b"[]", "invalid_json", None),
        (b"{}", "invalid_json", None),
        (tensor(shape=["1", 3]), "invalid_json", "inputs[0].shape[0]"),
        (tensor(data="1,0,0"), "invalid_json", "inputs[0].data"),
        (tensor(datatype="FLOAT"), "tensor_type", "inputs.x.datatype"),
        (tensor(datatype="FP64"), "tensor_type", "inputs.x"),
        (tensor(data=["a", "b", "c"]), "tensor_invalid", "inputs.x"),
        (tensor(data=[1, 0]), "tensor_invalid", "inputs.x"),
        (tensor(shape=[1, 2], data=[1, 0]), "tensor_shape", "inputs.x"),
        (tensor(shape=[3]), "tensor_shape", "inputs.x"),
        (tensor(shape=[0, 3], data=[]), "tensor_shape", "inputs.x"),
        (tensor(shape=[-1, -3]), "tensor_invalid", "inputs.x"),
        (tensor(shape=[1 << 70, 3]), "tensor_invalid", "inputs.x"),
        (tensor(data=[[1, 0], [0]]), "tensor_shape", "inputs.x"),
        (tensor(data=[None, 0, 0]), "tensor_value", "inputs.x"),
        (tensor(data=[1e300, 0, 0]), "tensor_value", "inputs.x"),
        (tensor(data=[1e400, 0, 0]).replace(b"Infinity", b"1e400"), "invalid_json", "inputs[0].data[0]"),
        (tensor(name="z"), "tensor_unknown", "inputs.z"),
        (b'{"inputs": []}', "tensor_missing", "inputs.x"),
        (tensor(data=None), "tensor_missing", "inputs.x"),
    ],
)
def test_a_body_that_does_not_fit_is_refused_with_its_reason(
    serving: Serving, content: bytes, code: str, field: str | None
):
    with client(serving) as http:
        answer = http.post(INFER, content=content)
        check(answer, 400, code)
        assert answer.json()["field"] == field


def test_a_media_type_that_is_not_taken_is_named(serving: Serving):
    with client(serving) as http:
        check(http.post(INFER, content=body(1), headers={"Content-Type": "text/html"}), 415, "unsupported_media_type")
        check(http.post(INFER, content=body(1), headers={"Content-Encoding": "br"}), 415, "unsupported_media_type")
        path = "/endpoints/echo/invocations"
        check(http.post(path, content=b"[[1,2,3]]", headers={"Accept": "image/png"}), 406, "not_acceptable")
        check(http.post(path, content=b"a,b\n1", headers={"Content-Type": "text/csv"}), 400, "invalid_csv")


def test_unknown_names_are_told_apart_and_guessed(serving: Serving):
    with client(serving) as http:
        missing = infer(http, 1, name="ecko")
        check(missing, 404, "endpoint_not_found")
        assert "'echo'" in missing.json()["hint"]
        check(http.post("/v2/models/echo/versions/7/infer", content=body(1)), 404, "variant_not_found")
        check(http.get("/v2/repository/index"), 404, "route_not_found")
        check(http.get("/endpoints/echo"), 404, "route_not_found")
        assert value_of(http.post("/v2/models/echo/versions/1/infer", content=body(1))) == 1
        assert value_of(http.post("/v2/models/echo/versions/main/infer", content=body(1))) == 1


def test_a_failing_model_is_named_and_fails_nobody_else(serving: Serving):
    with client(serving) as http:
        check(infer(http, 1, act=1), 500, "model_failed")
        assert value_of(infer(http, 2)) == 2


def test_a_nan_answer_is_null(serving: Serving):
    with client(serving) as http:
        assert infer(http, 1, act=3).json()["outputs"][0]["data"][0] is None


def test_only_tokens_in_force_may_call_and_only_in_their_project(start):
    serving = start()
    worker = start_scripted(serving, "w")
    expired = RouteToken(
        **{
            **{f: getattr(token("old", "old"), f) for f in RouteToken.__slots__},
            "expires_at": datetime.now(UTC) - timedelta(1),
        }
    )
    serving.publish(
        endpoint("echo", variant(worker)),
        endpoint("echo", variant(worker, number=2), project="blue"),
        tokens=(token("blue", "blue", "blue"), expired),
    )

    def call(secret: str | None, **headers: str) -> httpx.Response:
        if secret is not None:
            headers["Authorization"] = secret
        return httpx.post(f"{serving.url}{INFER}", content=body(1), headers=headers)

    for wrong in (None, "Bearer nobody", "Basic abc", "Bearer", "Bearer old", f"Bearer {TOKEN}x"):
        refused = call(wrong)
        check(refused, 401, "unauthenticated")
        assert refused.headers["www-authenticate"].startswith("Bearer")
    assert call(f"bearer {TOKEN}").headers["x-modelyard-model"] == "model:1"
    assert call("Bearer blue").headers["x-modelyard-model"] == "model:2"
    in_blue = {"X-Modelyard-Project": "blue"}
    assert call(f"Bearer {TOKEN}", **in_blue).headers["x-modelyard-model"] == "model:2"
    check(call("Bearer blue", **{"X-Modelyard-Project": "default"}), 403, "permission_denied")
    check(call(f"Bearer {TOKEN}", **{"X-Modelyard-Project": "green"}), 404, "endpoint_not_found")
    serving.publish(endpoint("echo", variant(worker)))
    check(call("Bearer blue"), 401, "unauthenticated")


def test_health_needs_no_token_and_the_rest_does(serving: Serving):
    with httpx.Client(base_url=serving.url) as http:
        assert http.get("/v2/health/live").json() == {"live": True}
        assert http.get("/v2/health/ready").json() == {"ready": True}
        for path in ("/v2", "/v2/models/echo", "/v2/models/echo/ready", "/endpoints/echo/ping"):
            check(http.get(path), 401, "unauthenticated")
        check(http.get("/metrics", headers={"X-Forwarded-For": "10.0.0.1"}), 401, "unauthenticated")
        assert "modelyard_inference_requests_total" in http.get("/metrics").text
    with client(serving) as http:
        assert http.get("/v2").json()["name"] == "modelyard"
        assert http.get("/v2/models/echo").json()["inputs"][0]["shape"] == [-1, 3]
        assert http.get("/v2/models/echo/ready").json() == {"name": "echo", "ready": True}
        assert http.get("/endpoints/echo/ping").status_code == 200


def test_an_endpoint_without_replicas_says_why(start):
    serving = start(hold_seconds=0.2)
    worker = start_scripted(serving, "w")
    absent = variant(worker)
    serving.publish(
        endpoint("none", reason="its model is being loaded"),
        endpoint("gone", variant(worker)),
    )
    worker.kill()
    with client(serving) as http:
        for path in ("/v2/models/none/infer", "/endpoints/none/invocations"):
            refused = http.post(path, content=body(1))
            check(refused, 503, "endpoint_not_ready")
            assert "being loaded" in refused.json()["message"]
            assert refused.headers["retry-after"] == "1"
        check(http.get("/v2/models/none/ready"), 503, "endpoint_not_ready")
        check(infer(http, 1, name="gone"), 503, "endpoint_not_ready")
        check(http.get("/endpoints/gone/ping"), 503, "endpoint_not_ready")
    assert absent.replicas[0].id == "w"


def test_a_stopped_endpoint_says_how_to_start_it_and_not_to_try_again(start):
    serving = start()
    serving.publish(endpoint("asleep", is_stopped=True))
    with client(serving) as http:
        for refused in (infer(http, 1, name="asleep"), http.get("/v2/models/asleep/ready")):
            check(refused, 409, "endpoint_stopped")
            assert "modelyard endpoints start asleep" in refused.json()["hint"]
            assert "retry-after" not in refused.headers
        check(http.get("/endpoints/asleep/ping"), 409, "endpoint_stopped")


def test_a_gateway_without_a_table_is_live_and_not_ready(start):
    serving = start()
    with httpx.Client(base_url=serving.url) as http:
        assert http.get("/v2/health/live").status_code == 200
        check(http.get("/v2/health/ready"), 503, "endpoint_not_ready")
        (serving.folder / "routing.json").write_text("{}")
        check(http.get("/v2/health/ready"), 503, "endpoint_not_ready")
        serving.publish()
        assert http.get("/v2/health/ready").status_code == 200
        (serving.folder / "routing.json").write_text("nothing")
        assert http.get("/v2/health/ready").status_code == 200
