"""Content sent in pieces."""

from datetime import timedelta

import pytest

UPLOADS = "/projects/default/uploads"


def start(client, **body) -> str:
    answer = client.post(UPLOADS, json={"filename": "f.csv", **body})
    assert answer.status_code == 201, answer.text
    return f"{UPLOADS}/{answer.json()['id']}"


def send(client, path, offset, content):
    return client.patch(path, content=content, headers={"Upload-Offset": str(offset)})


def test_every_route_is_protected(application, assert_protected):
    assert assert_protected(application) == 14


def test_pieces_add_up(client, services, tmp_path):
    path = start(client, size_bytes=6)
    assert send(client, path, 0, b"abc").json()["offset"] == 3
    last = send(client, path, 3, b"def")
    assert last.headers["Upload-Offset"] == "6"
    assert client.get(path).json() == last.json()
    fetched = services.uploads.fetch("default", path.rpartition("/")[2], tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == b"abcdef"
    assert fetched.digest == "bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721"


def test_a_wrong_offset_is_refused_and_the_right_one_told(client):
    path = start(client)
    send(client, path, 0, b"abc")
    for offset in (0, 2, 4):
        answer = send(client, path, offset, b"x")
        assert (answer.status_code, answer.json()["code"]) == (409, "upload_offset_mismatch")
        assert "Upload-Offset: 3" in answer.json()["hint"]
    assert client.get(path).json()["offset"] == 3
    assert client.patch(path, content=b"x").json()["field"] == "Upload-Offset"


def test_limits_are_told_before_the_content_is_read(client):
    answer = client.post(UPLOADS, json={"filename": "f", "size_bytes": 1_000_001})
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (
        413,
        "upload_too_large",
        "size_bytes",
    )
    path = start(client, size_bytes=4)
    assert send(client, path, 0, b"12345").status_code == 413
    assert send(client, path, 0, b"1234").status_code == 200
    path = start(client)
    assert send(client, path, 0, b"0" * 1_000_001).json()["code"] == "upload_too_large"
    chunks = (b"0" * 100_000 for _ in range(11))  # no Content-Length: found out on the way
    assert send(client, path, 0, chunks).status_code == 413
    assert client.get(path).json()["offset"] == 0


def test_dropped_uploads_leave_nothing(client, services):
    path = start(client)
    send(client, path, 0, b"abc")
    assert client.delete(path).status_code == 204
    for answer in (client.get(path), client.delete(path), send(client, path, 3, b"x")):
        assert (answer.status_code, answer.json()["code"]) == (404, "upload_not_found")
    assert list(services.objects.list("uploads")) == []


def test_uploads_of_another_project_are_not_found(client, application, connect):
    path = start(client)
    other = connect(application, "admin")
    assert other.get(path.replace("default", "other")).status_code == 404
    assert other.get(path).status_code == 200


def test_abandoned_uploads_expire_and_each_piece_gives_them_another_day(client, services, clock):
    path, forgotten = start(client), start(client)
    send(client, forgotten, 0, b"abc")
    clock.sleep(timedelta(hours=20).total_seconds())
    send(client, path, 0, b"abc")
    clock.sleep(timedelta(hours=20).total_seconds())
    assert client.get(path).status_code == 200
    assert client.get(forgotten).status_code == 404
    start(client)
    assert services.uploads.expire_abandoned() == 0  # starting an upload did it
    assert len(list(services.objects.list("uploads"))) == 1


def test_a_sweep_that_was_interrupted_goes_on(client, services, clock, monkeypatch):
    path = start(client)
    send(client, path, 0, b"abc")
    clock.sleep(timedelta(hours=25).total_seconds())
    with monkeypatch.context() as patch:
        patch.setattr(type(services.objects), "delete", lambda _self, _key: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            services.uploads.expire_abandoned()
    assert services.uploads.expire_abandoned() == 1
    assert list(services.objects.list("uploads")) == []


def test_starting_is_idempotent(client):
    def begin(filename):
        return client.post(UPLOADS, json={"filename": filename}, headers={"Idempotency-Key": "k"})

    assert begin("a").json() == begin("a").json()
    assert begin("b").json()["code"] == "idempotency_key_reused"
    assert client.post(UPLOADS, json={"filename": "a", "size": 1}).json()["field"] == "size"
