"""Errors of the Operations API, from a running platform where a request can bring them about."""

from concurrent.futures import ThreadPoolExecutor

import httpx
from stage import Stage

from provokers.registration import provokes


@provokes("endpoint_exists")
def endpoint_exists(stage: Stage) -> httpx.Response:
    body = {"name": stage.endpoint, "variants": [{"model": stage.model}]}
    return stage.operations_call("POST", "/endpoints", json=body)


@provokes("endpoint_deleting")
def endpoint_deleting(stage: Stage) -> httpx.Response:
    answer = httpx.Response(404)
    while answer.status_code == httpx.codes.NOT_FOUND:  # it is sometimes gone that soon
        name = stage.new_endpoint().raise_for_status().json()["name"]
        stage.operations_call("DELETE", f"/endpoints/{name}").raise_for_status()
        answer = stage.operations_call("POST", f"/endpoints/{name}/stop")
    return answer


@provokes("event_id_invalid")
def event_id_invalid(stage: Stage) -> httpx.Response:
    return stage.operations_call("GET", "/events/stream", headers={"Last-Event-ID": "yesterday"})


@provokes("nothing_to_approve")
def nothing_to_approve(stage: Stage) -> httpx.Response:
    return stage.operations_call("POST", f"/endpoints/{stage.endpoint}/approve")


@provokes("nothing_to_roll_back")
def nothing_to_roll_back(stage: Stage) -> httpx.Response:
    return stage.operations_call("POST", f"/endpoints/{stage.endpoint}/rollback")


@provokes("variants_invalid")
def variants_invalid(stage: Stage) -> httpx.Response:
    return stage.new_endpoint(weight=0)


@provokes("variant_not_found")
def variant_not_found(stage: Stage) -> httpx.Response:
    return stage.operations_call("PATCH", f"/endpoints/{stage.endpoint}", json={"weights": {"canary": 1}})


@provokes("endpoint_not_found")
def endpoint_not_found(stage: Stage) -> httpx.Response:
    return stage.operations_call("GET", "/endpoints/nowhere")


@provokes("inference_not_found")
def inference_not_found(stage: Stage) -> httpx.Response:
    return stage.operations_call("GET", f"/endpoints/{stage.endpoint}/inferences/inf-1")


@provokes("time_range_invalid")
def time_range_invalid(stage: Stage) -> httpx.Response:
    times = {"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}
    return stage.operations_call("GET", f"/endpoints/{stage.endpoint}/inferences", params=times)


@provokes("truth_invalid")
def truth_invalid(stage: Stage) -> httpx.Response:
    def send(truth: object) -> httpx.Response:
        items = [{"inference_id": "inf-of-three-rows", "truth": truth}]
        return stage.operations_call("POST", f"/endpoints/{stage.endpoint}/feedback", json={"items": items})

    send([1, 2, 3]).raise_for_status()
    return send([1, 2])


@provokes("window_invalid")
def window_invalid(stage: Stage) -> httpx.Response:
    return stage.operations_call("GET", f"/endpoints/{stage.endpoint}/metrics", params={"window": "a day"})


@provokes("monitor_exists")
def monitor_exists(stage: Stage) -> httpx.Response:
    name = _monitor(stage).json()["name"]
    return _monitor(stage, name=name)


@provokes("monitor_not_found")
def monitor_not_found(stage: Stage) -> httpx.Response:
    return stage.operations_call("GET", "/monitors/nowhere")


@provokes("monitor_window_invalid")
def monitor_window_invalid(stage: Stage) -> httpx.Response:
    return _monitor(stage, window_rows=50, minimum_rows=100)


@provokes("detector_unknown")
def detector_unknown(stage: Stage) -> httpx.Response:
    return _monitor(stage, detectors=["input-drfit"])


@provokes("retraining_policy_exists")
def retraining_policy_exists(stage: Stage) -> httpx.Response:
    name = _policy(stage).json()["name"]
    return _policy(stage, name=name)


@provokes("retraining_policy_not_found")
def retraining_policy_not_found(stage: Stage) -> httpx.Response:
    return stage.operations_call("GET", "/retraining-policies/nowhere")


@provokes("schedule_invalid")
def schedule_invalid(stage: Stage) -> httpx.Response:
    return _policy(stage, triggers={"schedule": "every Monday"})


@provokes("data_window_invalid")
def data_window_invalid(stage: Stage) -> httpx.Response:
    return _policy(stage, window={"kind": "NEWEST"})


@provokes("retraining_active")
def retraining_active(stage: Stage) -> httpx.Response:
    path = f"/retraining-policies/{_policy(stage).json()['name']}/run"
    refused: list[httpx.Response] = []
    while not refused:  # a run fails within moments, having no labels: several at once meet one that is under way
        with ThreadPoolExecutor(4) as pool:
            answers = pool.map(lambda _: stage.operations_call("POST", path), range(4))
            refused = [answer for answer in answers if answer.is_error]
    return refused[0]


def _monitor(stage: Stage, **changes: object) -> httpx.Response:
    body = {"name": stage.name(), "endpoint": stage.endpoint, "is_enabled": False, **changes}
    return stage.operations_call("POST", "/monitors", json=body)


def _policy(stage: Stage, **changes: object) -> httpx.Response:
    body = {"name": stage.name(), "endpoint": stage.endpoint, "is_enabled": False, **changes}
    return stage.operations_call("POST", "/retraining-policies", json=body)


@provokes("feedback_file_invalid")
def feedback_file_invalid(stage: Stage) -> httpx.Response:
    path = f"/endpoints/{stage.endpoint}/feedback/files"
    return stage.operations_call("POST", path, content=b"a,b\n1,2\n", headers={"Content-Type": "text/csv"})


@provokes("query_invalid")
def query_invalid(stage: Stage) -> httpx.Response:
    path = f"/endpoints/{stage.endpoint}/captures/query"
    return stage.operations_call("POST", path, json={"sql": "SELECT * FROM read_csv('/etc/passwd')"})


@provokes("query_too_large")
def query_too_large(stage: Stage) -> httpx.Response:
    path = f"/endpoints/{stage.endpoint}/captures/query"
    return stage.operations_call("POST", path, json={"sql": "SELECT list(range) FROM range(1000000000)"})


def _predict(stage: Stage, **source: str) -> httpx.Response:
    return stage.operations_call("POST", f"/endpoints/{stage.endpoint}/predictions", json={"source": source})


@provokes("reference_invalid")
def reference_invalid(stage: Stage) -> httpx.Response:
    return _predict(stage, object="inputs/default/january.xlsx")


@provokes("reference_forbidden")
def reference_forbidden(stage: Stage) -> httpx.Response:
    return _predict(stage, url="https://metadata.internal/january.csv")


@provokes("otlp_invalid")
def otlp_invalid(stage: Stage) -> httpx.Response:
    return stage.operations_call("POST", "/otlp/v1/traces", content=b"{", headers={"Content-Type": "application/json"})
