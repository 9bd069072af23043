"""Uploads go on where they broke, downloads are whole or absent, followed logs lose no line."""

import hashlib
from datetime import UTC, datetime

import numpy as np
import pytest

from modelyard import Client
from modelyard.errors import InvalidInputError
from modelyard.sdk.packing import pack_arrays, pack_folder
from modelyard.sdk.resources import uploads as uploads_module
from modelyard.sdk.resources.uploads import FileMissingError
from modelyard.sdk.transfers import ContentDamagedError
from modelyard.testing.fake_platform import Answer, FakePlatform, SentRequest
from modelyard.types.datasets import DatasetFormat, DatasetSchema, DatasetVersion
from modelyard.types.jobs import Environment
from modelyard.types.uploads import Upload

NOW = datetime(2026, 1, 1, tzinfo=UTC)
UPLOADS = "/registry/v1/projects/default/uploads"
CONTENT = bytes(range(256)) * 100


class UploadStore:
    """Keeps what PATCH brings, like the platform; `losses` answers are lost after the bytes arrived."""

    def __init__(self, platform: FakePlatform, losses: int = 0) -> None:
        self.content, self.losses = b"", losses
        platform.prepare("POST", UPLOADS, lambda _: self._state(status=201))
        platform.prepare("GET", f"{UPLOADS}/upload-1", lambda _: self._state())
        platform.prepare("PATCH", f"{UPLOADS}/upload-1", self._append)

    def _append(self, request):
        if int(request.headers["upload-offset"]) != len(self.content):
            return Answer(status=409, body={"code": "upload_offset_mismatch", "message": "wrong offset"})
        self.content += request.body
        if self.losses:
            self.losses -= 1
            return Answer(break_after=0)
        return self._state()

    def _state(self, status=200):
        state = Upload(
            project="default", id="upload-1", filename="f", size_bytes=len(CONTENT), offset=len(self.content),
            created_at=NOW, expires_at=NOW, created_by="me",
        )  # fmt: skip
        return Answer(status=status, body=state)


@pytest.fixture
def platform():
    with FakePlatform() as running:
        yield running


@pytest.fixture
def client(platform):
    with Client(platform.url, "secret") as made:
        yield made


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads_module, "PIECE_BYTES", 10_000)
    (tmp_path / "content.bin").write_bytes(CONTENT)
    return tmp_path / "content.bin"


@pytest.mark.parametrize("losses", [0, 2])
def test_an_upload_comes_in_pieces_and_survives_lost_answers(losses, platform, client, file):
    store, seen = UploadStore(platform, losses), []
    sent = client.uploads.send(file, progress=lambda done, total: seen.append((done, total)))
    assert sent.offset == len(CONTENT)
    assert store.content == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert len(seen) >= 3


def test_an_upload_is_taken_up_again_by_its_id(platform, client, file):
    store = UploadStore(platform)
    store.content = CONTENT[:12_345]
    client.uploads.send(file, resume="upload-1")
    assert store.content == CONTENT
    assert platform.sent("POST", UPLOADS) == []


def test_a_file_that_is_not_there_is_said_before_anything_is_sent(platform, client, tmp_path):
    with pytest.raises(FileMissingError, match="does not exist"):
        client.uploads.send(tmp_path / "nothing")
    assert platform.requests == []


def test_a_download_that_breaks_is_tried_again_and_a_wrong_digest_leaves_no_file(platform, client, tmp_path):
    base = "/registry/v1/projects/default/datasets/digits/versions"
    version = DatasetVersion(
        project="default", dataset="digits", number=1, digest=hashlib.sha256(CONTENT).hexdigest(),
        size_bytes=len(CONTENT), format=DatasetFormat.CSV, schema=DatasetSchema(rows=1, columns=()), description="",
        created_at=NOW, created_by="me",
    )  # fmt: skip
    platform.prepare("GET", f"{base}/latest", Answer(body=version))
    platform.prepare("GET", f"{base}/1/content", Answer(body=CONTENT, break_after=1000), Answer(body=CONTENT))
    client.datasets.download("digits", tmp_path / "target.csv")
    assert (tmp_path / "target.csv").read_bytes() == CONTENT
    platform.prepare("GET", f"{base}/1/content", Answer(body=CONTENT[:-1]))
    with pytest.raises(ContentDamagedError):
        client.datasets.download("digits", tmp_path / "other.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["target.csv"]


def test_followed_logs_go_on_after_a_break_without_losing_or_repeating_a_line(platform, client):
    log = "".join(f"line {number} grüße\n" for number in range(50)).encode()
    platform.prepare(
        "GET",
        "/jobs/v1/projects/default/jobs/job-1/logs",
        Answer(body=log, break_after=101),
        lambda request: Answer(body=log[int(request.query["offset"]) :]),
    )
    lines = [*client.jobs.logs("job-1", follow=True)]
    assert lines == log.decode().splitlines()
    assert platform.requests[1].query == {"follow": "true", "offset": "101", "rank": "0"}


def test_packed_arrays_and_folders_are_the_same_bytes_each_time(tmp_path):
    arrays = {"labels": np.arange(3), "images": np.ones((3, 2, 2), np.float32)}
    for name in ("one", "two"):
        pack_arrays(arrays, tmp_path / f"{name}.npz")
        arrays = dict(reversed(arrays.items()))
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    loaded = np.load(tmp_path / "one.npz")
    assert loaded["labels"].tolist() == [0, 1, 2]
    folder = tmp_path / "images"
    (folder / "cat").mkdir(parents=True)
    (folder / "cat" / "1.png").write_bytes(b"png")
    (folder / ".hidden").write_bytes(b"no")
    (folder / "link").symlink_to(tmp_path / "one.npz")
    pack_folder(folder, tmp_path / "a.zip")
    pack_folder(folder, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    import zipfile

    assert zipfile.ZipFile(tmp_path / "a.zip").namelist() == ["cat/1.png"]


def test_a_program_is_sent_with_the_lock_of_the_environment_that_it_names(platform, client, tmp_path):
    contents: dict[str, bytes] = {}

    def append(request: SentRequest) -> Answer:
        return kept(request.path.rpartition("/")[2], request.body)

    for name in ("model.py", "environment.lock", "requirements.txt"):
        platform.prepare(
            "PATCH", f"{UPLOADS}/{name}", lambda request: kept(request.path.rpartition("/")[2], request.body)
        )
        (tmp_path / name).write_text(f"the folder's own {name}")

    def kept(name: str, body: bytes = b"") -> Answer:
        contents[name] = contents.get(name, b"") + body
        state = Upload(
            project="default", id=name, filename=name, size_bytes=None, offset=len(contents[name]),
            created_at=NOW, expires_at=NOW, created_by="me",
        )  # fmt: skip
        return Answer(body=state)

    environment = Environment(
        name="scoring", digest="d", python="3.11.7", packages=("numpy==2.0",), requirements="numpy\n", lock="numpy==2.0"
    )
    platform.prepare("GET", "/jobs/v1/environments/scoring", Answer(body=environment))
    platform.prepare("POST", UPLOADS, lambda request: kept(request.json()["filename"]))
    versions = "/registry/v1/projects/default/models/scorer/versions"
    platform.prepare("POST", versions, Answer(status=400, body={"code": "artifact_invalid", "message": "enough"}))
    with pytest.raises(InvalidInputError, match="enough"):
        client.models.register("scorer", tmp_path, environment="scoring")
    assert contents == {
        "model.py": b"the folder's own model.py",
        "requirements.txt": b"# environment: scoring\nnumpy\n",
        "environment.lock": b"numpy==2.0",
    }
    (sent,) = platform.sent("POST", versions)
    assert sent.json()["files"] == {name: name for name in contents}
