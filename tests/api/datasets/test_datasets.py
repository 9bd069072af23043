"""Datasets and their versions over REST."""

import base64
import hashlib

import pytest

DATASETS = "/projects/default/datasets"
CSV = b"x,y\n1,a\n2,b\n"


@pytest.fixture
def add(client, upload):
    """`add("digits", content)`: the answer to adding a version."""

    def send(name="digits", content=CSV, headers=None, **body):
        body = {"upload": upload(content), **body}
        return client.post(f"{DATASETS}/{name}/versions", json=body, headers=headers)

    return send


def test_a_version_has_number_digest_format_and_schema(client, add):
    answer = add(description="first", source={"query": "q"})
    assert answer.status_code == 201, answer.text
    version = answer.json()
    assert (version["number"], version["format"], version["size_bytes"]) == (1, "csv", len(CSV))
    assert version["digest"] == hashlib.sha256(CSV).hexdigest()
    assert version["schema"]["rows"] == 2
    assert [(column["name"], column["kind"]) for column in version["schema"]["columns"]] == [
        ("x", "number"),
        ("y", "category"),
    ]
    assert (version["description"], version["source"]) == ("first", {"query": "q"})
    assert version["created_by"] == "default-developer"
    assert client.get(f"{DATASETS}/digits").json()["latest"] == 1
    assert client.get(f"{DATASETS}/digits/versions/1").json() == version
    assert client.get(f"{DATASETS}/digits/versions/latest").json() == version


def test_equal_content_is_the_same_version_and_other_content_the_next(client, add, npz):
    first, again, second = add().json(), add(description="other").json(), add(content=npz).json()
    assert again == first
    assert (second["number"], second["format"], second["schema"]["image_shape"]) == (2, "npz", [4, 4])
    assert add().json()["number"] == 1
    assert add("another").json()["number"] == 1
    page = client.get(f"{DATASETS}/digits/versions", params={"limit": 1}).json()
    assert [item["number"] for item in page["items"]] == [2]
    page = client.get(f"{DATASETS}/digits/versions", params={"limit": 1, "cursor": page["next_cursor"]}).json()
    assert ([item["number"] for item in page["items"]], page["next_cursor"]) == ([1], None)


def test_content_comes_back_byte_for_byte_with_its_digest(client, add, npz):
    add(content=npz)
    answer = client.get(f"{DATASETS}/digits/versions/latest/content")
    assert answer.content == npz
    assert answer.headers["Content-Length"] == str(len(npz))
    digest = base64.b64encode(hashlib.sha256(npz).digest()).decode()
    assert answer.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    assert 'filename="digits-1.npz"' in answer.headers["Content-Disposition"]


def test_creation_is_idempotent_also_after_the_upload_is_gone(client, upload):
    body = {"upload": upload()}
    path = f"{DATASETS}/digits/versions"
    first = client.post(path, json=body, headers={"Idempotency-Key": "k"})
    client.delete(f"/projects/default/uploads/{body['upload']}")
    assert client.post(path, json=body, headers={"Idempotency-Key": "k"}).json() == first.json()
    assert client.post(path, json=body).json()["code"] == "upload_not_found"
    reused = client.post(path, json={**body, "description": "x"}, headers={"Idempotency-Key": "k"})
    assert (reused.status_code, reused.json()["code"]) == (409, "idempotency_key_reused")
    client.delete(f"{DATASETS}/digits")
    answer = client.post(path, json=body, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (404, "dataset_version_not_found")


@pytest.mark.parametrize(
    ("content", "body", "code"),
    [
        (b"a,b\n1,2\n3\n", {}, "csv_invalid"),
        (b"a,b\n", {}, "dataset_empty"),
        (b"\x80\x04pickle", {}, "dataset_format_unknown"),
        (b"PK\x03\x04", {}, "dataset_invalid"),
        (CSV, {"format": "parquet"}, "dataset_format_mismatch"),
        (CSV, {"format": "xls"}, "invalid_input"),
        (CSV, {"upload": "upload-unknown"}, "upload_not_found"),
    ],
)
def test_content_that_is_no_dataset_leaves_nothing_behind(client, add, services, tmp_path, content, body, code):
    answer = add(content=content, **body)
    assert (answer.status_code, answer.json()["code"]) == (404 if code == "upload_not_found" else 400, code)
    assert answer.json()["hint"]
    assert client.get(f"{DATASETS}/digits").json()["code"] == "dataset_not_found"
    assert list(services.objects.list("datasets")) == []
    assert not (tmp_path / "scratch").exists() or list((tmp_path / "scratch").iterdir()) == []


def test_an_incomplete_upload_is_not_used(client):
    made = client.post("/projects/default/uploads", json={"filename": "f", "size_bytes": 10}).json()
    answer = client.post(f"{DATASETS}/digits/versions", json={"upload": made["id"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "upload_incomplete")


@pytest.mark.parametrize("number", ["2", "0", "x", "-1", "99999999999999", "²"])
def test_versions_that_are_not_there_are_not_found(client, add, number):
    add()
    for path in (f"{DATASETS}/digits/versions/{number}", f"{DATASETS}/digits/versions/{number}/content"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "dataset_version_not_found")
    assert client.get(f"{DATASETS}/ghost/versions/1").json()["code"] == "dataset_not_found"
    client.post(DATASETS, json={"name": "bare"})
    assert client.get(f"{DATASETS}/bare/versions/latest").json()["code"] == "dataset_version_not_found"


def test_datasets_are_created_changed_and_deleted_under_their_etag(client, add):
    made = client.post(DATASETS, json={"name": "digits", "tags": ["vision", "vision"]})
    assert (made.status_code, made.headers["ETag"]) == (201, '"1"')
    assert made.json()["tags"] == ["vision"]
    assert client.post(DATASETS, json={"name": "digits"}).json()["code"] == "dataset_exists"
    assert client.post(DATASETS, json={"name": "../etc"}).json()["code"] == "name_invalid"
    assert client.post(f"{DATASETS}/Bad!/versions", json={"upload": "u"}).status_code == 404
    changed = client.patch(f"{DATASETS}/digits", json={"description": "new"}, headers={"If-Match": '"1"'})
    assert (changed.headers["ETag"], changed.json()["tags"], changed.json()["description"]) == (
        '"2"',
        ["vision"],
        "new",
    )
    add()  # a new version is a change too
    for send in (client.patch, client.delete):
        body = {"json": {"tags": []}} if send == client.patch else {}
        stale = send(f"{DATASETS}/digits", headers={"If-Match": '"2"'}, **body)
        assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    assert client.delete(f"{DATASETS}/digits", headers={"If-Match": '"3"'}).status_code == 204
    assert client.get(f"{DATASETS}/digits").json()["code"] == "dataset_not_found"


def test_names_of_new_datasets_are_checked(add):
    answer = add("Bad!")
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, "name_invalid", "dataset")


def test_creating_a_dataset_is_idempotent(client):
    def create(name):
        return client.post(DATASETS, json={"name": name}, headers={"Idempotency-Key": "k"})

    assert create("a").json() == create("a").json()
    assert create("b").json()["code"] == "idempotency_key_reused"


def test_content_goes_with_the_last_dataset_that_has_it(client, add, services):
    add("one")
    add("two")
    assert len(list(services.objects.list("datasets"))) == 1
    client.delete(f"{DATASETS}/one")
    assert client.get(f"{DATASETS}/two/versions/1/content").content == CSV
    client.delete(f"{DATASETS}/two")
    assert list(services.objects.list("datasets")) == []
    assert add("one").json()["number"] == 1
    assert client.get(f"{DATASETS}/one/versions/1/content").content == CSV


def test_content_that_is_deleted_while_a_version_is_made_is_stored_again(client, add, services, monkeypatch):
    add("one")
    put = type(services.versions._contents).put
    calls = []

    def put_then_lose(contents, path, digest):
        put(contents, path, digest)
        calls.append(digest)
        if len(calls) == 1:
            services.datasets.delete("default", "one", None)

    monkeypatch.setattr(type(services.versions._contents), "put", put_then_lose)
    assert add("two").status_code == 201
    assert len(calls) == 2
    assert client.get(f"{DATASETS}/two/versions/1/content").content == CSV


def test_a_dataset_that_trained_models_is_not_deleted(client, add):
    add("trained")
    answer = client.delete(f"{DATASETS}/trained")
    assert (answer.status_code, answer.json()["code"]) == (409, "dataset_in_use")
    assert "digits:1, digits:2, digits:3 and 1 more" in answer.json()["message"]


def test_lists_are_paged_and_filtered_by_tag_and_text(client):
    for index in range(5):
        tags = ["even"] if index % 2 == 0 else ["odd", "100%"]
        body = {"name": f"set-{index}", "description": f"About The Weather {index}", "tags": tags}
        assert client.post(DATASETS, json=body).status_code == 201

    def names(**query):
        return [item["name"] for item in client.get(DATASETS, params=query).json()["items"]]

    page = client.get(DATASETS, params={"limit": 3}).json()
    assert [item["name"] for item in page["items"]] == ["set-0", "set-1", "set-2"]
    assert names(limit=3, cursor=page["next_cursor"]) == ["set-3", "set-4"]
    assert names(tag="even") == ["set-0", "set-2", "set-4"]
    assert names(tag=["odd", "100%"]) == ["set-1", "set-3"]
    assert names(tag=["odd", "even"]) == []
    assert names(text="WEATHER 3") == ["set-3"]
    assert names(text="100%") == ["set-1", "set-3"]
    assert names(text="10_%") == []
    client.patch(f"{DATASETS}/set-0", json={"tags": ["odd"]})
    assert names(tag="odd") == ["set-0", "set-1", "set-3"]


def test_projects_are_apart(client, add, application, connect, services):
    add()
    admin = connect(application, "admin")
    assert admin.get("/projects/other/datasets").json()["items"] == []
    assert admin.get("/projects/other/datasets/digits").status_code == 404
    assert not services.datasets.is_empty("default")
    assert services.datasets.is_empty("other")


def test_a_download_is_checked_against_the_digest(client, add, services, tmp_path):
    from modelyard.errors import InternalError

    add()
    version = services.versions.get("default", "digits")
    services.versions.download(version, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == CSV
    stored = next(services.objects.list("datasets"))
    services.objects.put_stream(stored.key, iter([b"damaged"]))
    with pytest.raises(InternalError, match="digits:1 is damaged"):
        services.versions.download(version, tmp_path / "other")
    assert sorted(path.name for path in tmp_path.glob("other*")) == []


def test_several_datasets_get_a_version_each_or_none_does(client, upload):
    def send(*parts):
        versions = [{"dataset": name, "upload": upload(content)} for name, content in parts]
        return client.post("/projects/default/dataset-versions", json={"versions": versions})

    made = send(("train", CSV), ("test", CSV + b"3,c\n"))
    assert made.status_code == 201, made.text
    assert [(each["dataset"], each["number"], each["schema"]["rows"]) for each in made.json()] == [
        ("train", 1, 2),
        ("test", 1, 3),
    ]
    assert [each["number"] for each in send(("train", CSV), ("test", CSV)).json()] == [1, 2]
    refused = send(("train", CSV + b"4,d\n"), ("spoilt", b"PK\x03\x04 no archive"))
    assert (refused.status_code, refused.json()["code"]) == (400, "dataset_invalid"), refused.text
    assert client.get(f"{DATASETS}/train").json()["latest"] == 1
    assert client.get(f"{DATASETS}/spoilt").status_code == 404
    assert send(("train", CSV), ("train", CSV)).json()["code"] == "invalid_input"
