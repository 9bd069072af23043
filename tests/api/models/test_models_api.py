"""Routes of models: who may, the happy paths, every error code."""

import hashlib
import json

import pytest

MODELS = "/projects/default/models"


def code(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


SIGNATURE = {"inputs": [{"name": "a", "datatype": "FP32", "shape": [-1]}], "outputs": []}


def bundle(content: str = "1", **changes) -> dict[str, bytes]:
    """The files of a small bundle; `changes` go into its manifest."""
    manifest = {
        "artifact": "model.txt",
        "artifact_format": "lightgbm",
        "signature": {
            "inputs": [{"name": "numeric", "datatype": "FP32", "shape": [-1, 2]}],
            "outputs": [{"name": "prediction", "datatype": "FP32", "shape": [-1]}],
        },
        "card": {"task": "tabular-regression"},
    }
    return {
        "manifest.json": json.dumps(manifest | changes).encode(),
        "model.txt": b"tree\nversion=v4\n" + content.encode(),
    }


def test_every_route_refuses_strangers_other_projects_and_too_small_roles(local_registry, stub_guard, assert_protected):
    assert assert_protected(local_registry.application(stub_guard)) > 30


@pytest.mark.parametrize(
    ("method", "path", "body", "smallest"),
    [
        ("POST", MODELS, {"name": "x"}, "developer"),
        ("PATCH", f"{MODELS}/digits", {"description": "x"}, "developer"),
        ("DELETE", f"{MODELS}/digits", None, "developer"),
        ("POST", f"{MODELS}/digits/versions", {"files": {}}, "developer"),
        ("DELETE", f"{MODELS}/digits/versions/1", None, "developer"),
        ("PUT", f"{MODELS}/digits/aliases/champion", {"number": 1}, "developer"),
        ("PUT", "/projects/default/deployments/live", {"refs": []}, "operator"),
    ],
)
def test_a_viewer_changes_nothing_and_only_operators_deploy(as_caller, method, path, body, smallest):
    for role, is_allowed in (("viewer", False), ("developer", smallest == "developer"), ("operator", True)):
        answer = as_caller(f"default-{role}").client.request(method, path, json=body)
        assert (answer.status_code != 403) == is_allowed, (role, answer.text)


def test_a_model_is_made_shown_changed_and_deleted(caller):
    body = {"name": "digits", "description": "Reads digits.", "tags": ["vision", "vision"]}
    made = caller.client.post(MODELS, json=body, headers={"Idempotency-Key": "k"})
    again = caller.client.post(MODELS, json=body, headers={"Idempotency-Key": "k"})
    assert (made.status_code, made.headers["ETag"]) == (201, '"1"')
    assert again.json() == made.json()
    assert made.json()["tags"] == ["vision"]
    assert caller.client.get(f"{MODELS}/digits").json() == made.json()
    changed = caller.client.patch(f"{MODELS}/digits", json={"tags": ["x"]}, headers={"If-Match": '"1"'})
    assert (changed.json()["tags"], changed.json()["description"]) == (["x"], "Reads digits.")
    stale = caller.client.patch(f"{MODELS}/digits", json={"tags": []}, headers={"If-Match": '"1"'})
    assert code(stale) == (412, "precondition_failed")
    assert [model["name"] for model in caller.client.get(MODELS).json()["items"]] == ["digits"]
    assert code(caller.client.delete(f"{MODELS}/digits", headers={"If-Match": '"1"'})) == (412, "precondition_failed")
    assert caller.client.delete(f"{MODELS}/digits", headers={"If-Match": changed.headers["ETag"]}).status_code == 204
    assert code(caller.client.get(f"{MODELS}/digits")) == (404, "model_not_found")


def test_models_are_listed_page_by_page_in_their_own_project(caller, as_caller):
    for index in range(5):
        caller.client.post(MODELS, json={"name": f"model-{index}"})
    names, cursor = [], None
    while True:
        page = caller.client.get(MODELS, params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        names += [model["name"] for model in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert names == [f"model-{index}" for index in range(5)]
    assert as_caller("other-admin").client.get("/projects/other/models").json()["items"] == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"name": "Not A Name"}, (400, "name_invalid")),
        ({"name": "digits", "extra": 1}, (400, "invalid_input")),
        ({"name": "new", "description": "a\0b"}, (400, "invalid_input")),
        ({"name": "new", "tags": [""]}, (400, "invalid_input")),
        ({"name": "digits"}, (409, "model_exists")),
    ],
)
def test_a_model_that_cannot_be_is_refused(caller, body, expected):
    caller.client.post(MODELS, json={"name": "digits"})
    assert code(caller.client.post(MODELS, json=body)) == expected


def test_a_version_is_registered_shown_and_downloaded(caller, clock):
    version = caller.registered(
        "digits", card={"licence": "MIT", "custom": {"team": "vision"}}, lineage={"job": "job-1"}
    )
    assert (version["number"], version["manifest"]["card"]["licence"]) == (1, "MIT")
    assert version["manifest"]["card"]["task"] == "tabular-regression"
    assert version["lineage"]["created_by"] == "default-developer"
    assert caller.client.get(f"{MODELS}/digits").json()["latest"] == 1
    for ref in ("1", "latest"):
        assert caller.client.get(f"{MODELS}/digits/versions/{ref}").json() == version
    files = {file["path"]: file for file in version["files"]}
    assert set(files) == {"manifest.json", "model.txt"}
    for path, file in files.items():
        answer = caller.client.get(f"{MODELS}/digits/versions/1/files/{path}")
        assert hashlib.sha256(answer.content).hexdigest() == file["digest"] == answer.headers["ETag"].strip('"')
        assert int(answer.headers["Content-Length"]) == file["size_bytes"]
    lines = sorted(f"{path}\0{file['digest']}\n" for path, file in files.items())
    assert version["digest"] == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_the_same_bundle_again_is_the_same_version_and_the_same_key_the_same_request(caller):
    first = caller.registered("digits")
    assert caller.registered("digits") == first
    second = caller.registered("digits", key="k", card={"description": "another"})
    assert second["number"] == 2
    uploads = {"model.txt": caller.upload(b"tree\nversion=v4\n")}
    repeated = caller.client.post(
        f"{MODELS}/digits/versions", json={"files": uploads}, headers={"Idempotency-Key": "k"}
    )
    assert code(repeated) == (409, "idempotency_key_reused")
    page = caller.client.get(f"{MODELS}/digits/versions").json()
    assert [version["number"] for version in page["items"]] == [2, 1]


def test_a_repeated_request_answers_with_what_the_first_one_made(caller):
    caller.registered("digits")
    uploads = {path: caller.upload(content) for path, content in bundle("2").items()}
    send = lambda: caller.client.post(  # noqa: E731
        f"{MODELS}/digits/versions", json={"files": uploads}, headers={"Idempotency-Key": "once"}
    )
    first = send()
    assert first.status_code == 201
    assert send().json() == first.json()
    assert caller.client.delete(f"{MODELS}/digits/versions/2").status_code == 204
    assert code(send()) == (404, "model_version_not_found")


NO_BUNDLES = {
    "no file": {},
    "path that climbs": {"../model.txt": b"x"},
    "absolute path": {"/etc/passwd": b"x"},
    "path with a dot": {"a/./b": b"x"},
    "path of another system": {"a\\..\\b": b"x"},
    "line break in a path": {"a\nb": b"x"},
    "NUL in a path": {"a\0b": b"x"},
    "long path": {"x" * 300: b"x"},
    "file that is a folder": {"a": b"x", "a/b": b"x", "manifest.json": b"{}"},
    "many files": {f"file-{index}": b"x" for index in range(101)},
    "no manifest": {"one": b"x", "two": b"x"},
    "manifest that is no JSON": bundle() | {"manifest.json": b"{"},
    "manifest that is no text": bundle() | {"manifest.json": b"\xff\xfe"},
    "deep manifest": bundle() | {"manifest.json": b"[" * 100_000},
    "manifest of wrong types": bundle() | {"manifest.json": b'{"artifact": 3}'},
    "golden requests that are none": bundle() | {"golden.json": b'{"requests": 3}'},
    "artifact that is missing": bundle(artifact="other.txt"),
    "artifact that climbs": bundle(artifact="../../etc/passwd"),
    "artifact that is the manifest": bundle(artifact="manifest.json"),
    "artifact of another format": bundle(artifact_format="onnx"),
    "format that is none": bundle(artifact_format="pickle"),
    "signature without outputs": bundle(signature=SIGNATURE),
    "card without a task": bundle(card={"task": " "}),
}


def test_files_that_are_no_bundle_are_refused_and_leave_nothing(caller):
    for what, files in NO_BUNDLES.items():
        uploads = {path: caller.upload(content) for path, content in files.items()}
        answer = caller.client.post(f"{MODELS}/digits/versions", json={"files": uploads})
        assert code(answer) == (400, "bundle_invalid"), (what, answer.text)
        assert answer.json()["hint"], what
        assert code(caller.client.get(f"{MODELS}/digits")) == (404, "model_not_found"), what


def test_files_that_are_together_too_large_are_refused(caller):
    answer = caller.register("digits", bundle() | {"big": bytes(3 << 20), "huge": bytes(3 << 20)})
    assert code(answer) == (413, "bundle_too_large")


def test_an_upload_that_is_not_there_or_not_whole_makes_no_version(caller):
    nobody = caller.client.post(f"{MODELS}/digits/versions", json={"files": {"model.txt": "upload-nobody"}})
    assert code(nobody) == (404, "upload_not_found")
    made = caller.client.post("/projects/default/uploads", json={"filename": "x", "size_bytes": 9}).json()["id"]
    begun = caller.client.post(f"{MODELS}/digits/versions", json={"files": {"model.txt": made}})
    assert code(begun) == (409, "upload_incomplete")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"card": {"task": ""}}, (400, "invalid_input")),
        ({"card": {"metrics": [{"name": "a", "value": "high"}]}}, (400, "invalid_input")),
        ({"card": {"unknown": 1}}, (400, "invalid_input")),
        ({"manifest": {"artifact": "model.txt"}}, (400, "invalid_input")),
    ],
)
def test_a_request_that_does_not_fit_is_refused(caller, body, expected):
    assert code(caller.register("digits", bundle(), **body)) == expected


def test_numbers_that_json_does_not_know_are_refused(caller):
    uploads = {path: caller.upload(content) for path, content in bundle().items()}
    body = f'{{"files": {json.dumps(uploads)}, "card": {{"hyperparameters": {{"a": NaN}}}}}}'
    answer = caller.client.post(f"{MODELS}/digits/versions", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400


def test_aliases_move_and_a_version_with_one_is_not_deleted(caller):
    caller.registered("digits")
    caller.registered("digits", bundle("2"))
    path = f"{MODELS}/digits/aliases/champion"
    assert caller.client.put(path, json={"number": 1}).json()["aliases"] == {"champion": 1}
    assert caller.client.get(f"{MODELS}/digits/versions/@champion").json()["number"] == 1
    assert caller.client.put(path, json={"number": 2}).json()["aliases"] == {"champion": 2}
    assert code(caller.client.delete(f"{MODELS}/digits/versions/2")) == (409, "model_in_use")
    assert code(caller.client.put(path, json={"number": 9})) == (404, "model_version_not_found")
    assert code(caller.client.put(f"{MODELS}/digits/aliases/latest", json={"number": 1})) == (400, "model_ref_invalid")
    assert code(caller.client.put(f"{MODELS}/digits/aliases/7", json={"number": 1})) == (400, "model_ref_invalid")
    assert code(caller.client.put(f"{MODELS}/digits/aliases/A b", json={"number": 1})) == (400, "name_invalid")
    assert caller.client.delete(path).status_code == 204
    assert code(caller.client.delete(path)) == (404, "alias_not_found")
    assert code(caller.client.get(f"{MODELS}/digits/versions/@champion")) == (404, "model_version_not_found")


def test_a_version_in_use_is_not_deleted_and_a_deleted_number_never_returns(caller, as_caller, local_registry):
    operator = as_caller("default-operator")
    caller.registered("digits")
    caller.registered("digits", bundle("2"))
    deployed = operator.client.put("/projects/default/deployments/live", json={"refs": ["digits:2"]})
    assert deployed.json()[0]["endpoints"] == ["live"]
    for path in (f"{MODELS}/digits", f"{MODELS}/digits/versions/2"):
        answer = caller.client.delete(path)
        assert code(answer) == (409, "model_in_use")
        assert "live" in answer.json()["message"]
    operator.client.put("/projects/default/deployments/live", json={"refs": []})
    objects = len(list(local_registry.objects.list("models")))
    assert caller.client.delete(f"{MODELS}/digits/versions/2").status_code == 204
    assert len(list(local_registry.objects.list("models"))) == objects - 2
    assert caller.client.get(f"{MODELS}/digits").json()["latest"] == 1
    assert code(caller.client.get(f"{MODELS}/digits/versions/2")) == (404, "model_version_not_found")
    assert code(caller.client.delete(f"{MODELS}/digits/versions/2")) == (404, "model_version_not_found")
    assert caller.registered("digits", bundle("2"))["number"] == 3
    assert caller.client.delete(f"{MODELS}/digits").status_code == 204
    assert [info for info in local_registry.objects.list() if info.key.startswith("models/")] == []


def test_content_that_two_versions_share_outlives_one_of_them(caller):
    caller.registered("digits", bundle())
    caller.registered("copy", bundle())
    caller.client.delete(f"{MODELS}/digits")
    assert caller.client.get(f"{MODELS}/copy/versions/1/files/model.txt").status_code == 200


def test_an_evaluation_is_recorded_and_replaced(caller):
    caller.registered("digits")
    path = f"{MODELS}/digits/versions/latest/evaluations/gate"
    body = {"is_passed": False, "reason": "Too slow.", "figures": {"p99_ms": 20.5}}
    assert caller.client.put(path, json=body).json()["evaluations"][0]["is_passed"] is False
    version = caller.client.put(path, json=body | {"is_passed": True}).json()
    assert [evaluation["is_passed"] for evaluation in version["evaluations"]] == [True]
    assert code(caller.client.put(path.replace("gate", "No Name"), json=body)) == (400, "name_invalid")
    assert code(caller.client.put(path, json={"reason": "x"})) == (400, "invalid_input")


@pytest.mark.parametrize(
    ("refs", "expected"),
    [
        (["digits:9"], (404, "model_version_not_found")),
        (["nobody"], (404, "model_not_found")),
        (["a:b:c"], (400, "model_ref_invalid")),
    ],
)
def test_an_endpoint_cannot_serve_what_is_not_there(caller, as_caller, refs, expected):
    caller.registered("digits")
    answer = as_caller("default-operator").client.put("/projects/default/deployments/live", json={"refs": refs})
    assert code(answer) == expected


def test_lineage_leads_from_the_data_over_the_job_to_versions_and_endpoints(caller, as_caller):
    data = [{"project": "default", "dataset": "numbers", "number": 1, "digest": "d" * 64}]
    caller.registered("digits", lineage={"job": "job-1", "datasets": data})
    caller.registered("digits", bundle("2"), lineage={"job": "job-2", "parent": 1, "datasets": data})
    caller.registered("digits", bundle("3"), lineage={"parent": 2})
    as_caller("default-operator").client.put("/projects/default/deployments/live", json={"refs": ["digits:2"]})
    graph = caller.client.get(f"{MODELS}/digits/versions/2/lineage").json()
    assert graph["root"] == "model-version:digits:2"
    assert {(edge["source"], edge["target"]) for edge in graph["edges"]} == {
        ("dataset:numbers:1", "job:job-2"),
        ("job:job-2", "model-version:digits:2"),
        ("model-version:digits:2", "endpoint:live"),
        ("model-version:digits:2", "model-version:digits:3"),
        ("dataset:numbers:1", "job:job-1"),
        ("job:job-1", "model-version:digits:1"),
        ("model-version:digits:1", "model-version:digits:2"),
    }
    assert {node["id"] for node in graph["nodes"]} >= {"job:job-1", "endpoint:live", "model-version:digits:3"}
    assert code(caller.client.get(f"{MODELS}/digits/versions/9/lineage")) == (404, "model_version_not_found")


def test_only_administrators_register_on_behalf_of_others(caller, as_caller):
    lineage = {"created_by": "somebody else"}
    assert caller.registered("one", lineage=lineage)["lineage"]["created_by"] == "default-developer"
    assert as_caller("admin").registered("two", lineage=lineage)["lineage"]["created_by"] == "somebody else"


def test_a_dataset_that_trained_a_model_is_not_deleted(caller):
    upload = caller.upload(b"a,b\n1,2\n3,4\n5,6\n")
    made = caller.client.post("/projects/default/datasets/numbers/versions", json={"upload": upload})
    assert made.status_code == 201, made.text
    data = [{"project": "default", "dataset": "numbers", "number": 1, "digest": made.json()["digest"]}]
    caller.registered("digits", lineage={"datasets": data})
    answer = caller.client.delete("/projects/default/datasets/numbers")
    assert code(answer) == (409, "dataset_in_use")
    assert "digits:1" in answer.json()["message"]


def test_a_reference_that_is_none_is_an_error_and_no_defect(caller):
    caller.registered("digits")
    for ref in ("x", "0x1", "-1", "@", "1.5", "9999999999", "%00", "@%00"):
        assert caller.client.get(f"{MODELS}/digits/versions/{ref}").status_code in (400, 404), ref
    assert caller.client.get(f"{MODELS}/%00/versions/1").status_code == 404
    assert code(caller.client.get(f"{MODELS}/digits/versions/1/files/nothing")) == (404, "model_file_not_found")


def test_search_finds_by_query_and_by_phrase_and_says_what_it_understood(caller):
    caller.registered("digits", card={"task": "image-classification", "metrics": [{"name": "accuracy", "value": 0.97}]})
    caller.registered("prices", bundle("3"))
    query = 'task = "image-classification" and metrics.accuracy >= 0.95 order by metrics.accuracy desc'
    found = caller.client.get("/projects/default/search", params={"query": query}).json()
    assert ([hit["version"]["model"] for hit in found["items"]], found["query"]) == (["digits"], query)
    phrase = caller.client.get(
        "/projects/default/search", params={"query": "image classification with accuracy above 0.95"}
    ).json()
    assert phrase["query"] == 'task = "image-classification" and metrics.accuracy > 0.95'
    assert len(phrase["items"]) == 1
    everything = caller.client.get("/projects/default/search", params={"limit": 1}).json()
    rest = caller.client.get("/projects/default/search", params={"cursor": everything["next_cursor"]}).json()
    assert {hit["version"]["model"] for hit in everything["items"] + rest["items"]} == {"digits", "prices"}


def test_a_faulty_query_is_answered_with_the_wrong_word(caller):
    answer = caller.client.get("/projects/default/search", params={"query": 'taks = "image-classification"'})
    assert code(answer) == (400, "search_query_invalid")
    assert answer.json()["message"].endswith('taks = "image-classification"\n^^^^')
    assert "task" in answer.json()["hint"]
    assert answer.json()["field"] == "query"
    bad = caller.client.get("/projects/default/search", params={"cursor": "junk"})
    assert code(bad) == (400, "cursor_invalid")
