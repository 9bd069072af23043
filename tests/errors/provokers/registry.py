"""Errors of the registry over REST, from a running platform."""

import json
import time
from datetime import UTC, datetime, timedelta

import httpx
from stage import LIGHTGBM, MANIFEST, Stage

from provokers.registration import provokes


@provokes("alias_not_found")
def alias_not_found(stage: Stage) -> httpx.Response:
    return stage.registry_call("DELETE", f"/models/{stage.model}/aliases/champion")


@provokes("bundle_invalid")
def bundle_invalid(stage: Stage) -> httpx.Response:
    return stage.register(stage.name(), {"../model.txt": LIGHTGBM, "manifest.json": json.dumps(MANIFEST).encode()})


@provokes("target_unknown")
def target_unknown(stage: Stage) -> httpx.Response:
    name = stage.name()
    stage.register(name)
    return stage.registry_call("POST", f"/models/{name}/versions/1/builds", json={"target": "gpu"})


@provokes("dataset_exists")
def dataset_exists(stage: Stage) -> httpx.Response:
    stage.registry_call("POST", "/datasets", json={"name": "digits"})
    return stage.registry_call("POST", "/datasets", json={"name": "digits"})


@provokes("dataset_format_mismatch")
def dataset_format_mismatch(stage: Stage) -> httpx.Response:
    return stage.dataset(b"a,b\n1,2\n", format="parquet")


@provokes("dataset_in_use")
def dataset_in_use(stage: Stage) -> httpx.Response:
    made = stage.dataset(b"a,b\n1,2\n3,4\n").raise_for_status().json()
    data = {name: made[name] for name in ("project", "dataset", "number", "digest")}
    stage.register(stage.name(), lineage={"datasets": [data]}).raise_for_status()
    return stage.registry_call("DELETE", f"/datasets/{made['dataset']}")


@provokes("dataset_not_found")
def dataset_not_found(stage: Stage) -> httpx.Response:
    return stage.registry_call("GET", "/datasets/nowhere")


@provokes("dataset_version_not_found")
def dataset_version_not_found(stage: Stage) -> httpx.Response:
    made = stage.dataset(b"a,b\n1,2\n3,4\n").raise_for_status().json()
    return stage.registry_call("GET", f"/datasets/{made['dataset']}/versions/7")


@provokes("model_exists")
def model_exists(stage: Stage) -> httpx.Response:
    return stage.registry_call("POST", "/models", json={"name": stage.model})


@provokes("model_file_not_found")
def model_file_not_found(stage: Stage) -> httpx.Response:
    return stage.registry_call("GET", f"/models/{stage.model}/versions/1/files/weights.bin")


@provokes("model_in_use")
def model_in_use(stage: Stage) -> httpx.Response:
    name = stage.name()
    stage.register(name).raise_for_status()
    stage.registry_call("PUT", f"/models/{name}/aliases/champion", json={"number": 1}).raise_for_status()
    return stage.registry_call("DELETE", f"/models/{name}/versions/1")


@provokes("model_not_found")
def model_not_found(stage: Stage) -> httpx.Response:
    return stage.registry_call("GET", "/models/nowhere")


@provokes("model_ref_invalid")
def model_ref_invalid(stage: Stage) -> httpx.Response:
    return stage.registry_call("GET", f"/models/{stage.model}/versions/newest")


@provokes("model_version_not_found")
def model_version_not_found(stage: Stage) -> httpx.Response:
    return stage.registry_call("GET", f"/models/{stage.model}/versions/7")


@provokes("name_invalid")
def name_invalid(stage: Stage) -> httpx.Response:
    return stage.registry_call("POST", "/models", json={"name": "My Model"})


@provokes("pickle_refused")
def pickle_refused(stage: Stage) -> httpx.Response:
    return stage.register(
        stage.name(), {"model.pkl": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00]\x94(K\x01K\x02e."}
    )


@provokes("artifact_invalid")
def artifact_invalid(stage: Stage) -> httpx.Response:
    return stage.register(stage.name(), {"model.bin": b"no model at all"})


@provokes("search_query_invalid")
def search_query_invalid(stage: Stage) -> httpx.Response:
    return stage.registry_call("GET", "/search", params={"query": "metrics.accuracy >= high"})


@provokes("upload_incomplete")
def upload_incomplete(stage: Stage) -> httpx.Response:
    made = stage.registry_call("POST", "/uploads", json={"filename": "digits.csv", "size_bytes": 100}).json()["id"]
    stage.registry_call("PATCH", f"/uploads/{made}", content=b"a,b\n", headers={"Upload-Offset": "0"})
    return stage.registry_call("POST", f"/datasets/{stage.name()}/versions", json={"upload": made})


@provokes("upload_not_found")
def upload_not_found(stage: Stage) -> httpx.Response:
    return stage.registry_call("GET", "/uploads/upload-1")


@provokes("upload_offset_mismatch")
def upload_offset_mismatch(stage: Stage) -> httpx.Response:
    made = stage.upload(b"a,b\n")
    return stage.registry_call("PATCH", f"/uploads/{made}", content=b"1,2\n", headers={"Upload-Offset": "9"})


@provokes("upload_too_large")
def upload_too_large(stage: Stage) -> httpx.Response:
    return stage.registry_call("POST", "/uploads", json={"filename": "digits.csv", "size_bytes": 1 << 40})


@provokes("project_exists")
def project_exists(stage: Stage) -> httpx.Response:
    return stage.call("POST", "/registry/v1/projects", json={"name": "default"})


@provokes("project_not_empty")
def project_not_empty(stage: Stage) -> httpx.Response:
    name = stage.name()
    stage.call("POST", "/registry/v1/projects", json={"name": name}).raise_for_status()
    stage.call("POST", f"/registry/v1/projects/{name}/models", json={"name": "digits"}).raise_for_status()
    return stage.call("DELETE", f"/registry/v1/projects/{name}")


@provokes("project_not_found")
def project_not_found(stage: Stage) -> httpx.Response:
    return stage.call("GET", "/registry/v1/projects/nowhere/models")


@provokes("permission_denied")
def permission_denied(stage: Stage) -> httpx.Response:
    return stage.call("POST", "/registry/v1/projects", secret=_token(stage, "viewer"), json={"name": "mine"})


@provokes("unauthenticated")
def unauthenticated(stage: Stage) -> httpx.Response:
    return stage.call("GET", "/registry/v1/projects", secret="")


@provokes("token_invalid")
def token_invalid(stage: Stage) -> httpx.Response:
    return stage.call("GET", "/registry/v1/whoami", secret="my_token-1_of-somebody-else")


@provokes("token_expired")
def token_expired(stage: Stage) -> httpx.Response:
    soon = datetime.now(UTC) + timedelta(seconds=0.5)
    secret = _new_token(stage, "viewer", expires_at=soon.isoformat())["secret"]
    time.sleep(0.6)
    return stage.call("GET", "/registry/v1/whoami", secret=secret)


@provokes("token_revoked")
def token_revoked(stage: Stage) -> httpx.Response:
    made = _new_token(stage, "viewer")
    stage.call("DELETE", f"/registry/v1/tokens/{made['token']['id']}").raise_for_status()
    return stage.call("GET", "/registry/v1/whoami", secret=made["secret"])


@provokes("token_not_found")
def token_not_found(stage: Stage) -> httpx.Response:
    return stage.call("DELETE", "/registry/v1/tokens/token-1")


@provokes("token_lifetime_invalid")
def token_lifetime_invalid(stage: Stage) -> httpx.Response:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    body = {"name": "ci", "role": "viewer", "expires_at": yesterday}
    return stage.call("POST", "/registry/v1/tokens", json=body)


def _new_token(stage: Stage, role: str, **body: object) -> dict:
    return (
        stage.call("POST", "/registry/v1/tokens", json={"name": "ci", "role": role, **body}).raise_for_status().json()
    )


def _token(stage: Stage, role: str) -> str:
    return _new_token(stage, role)["secret"]
