import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from modelyard.control.documents.repository import DocumentRepository
from modelyard.control.documents.service import DocumentService
from modelyard.control.hosting.data_capture import DataCaptures
from modelyard.control.hosting.records import ENDPOINT, HostedEndpoint, to_content
from modelyard.errors import NotFoundError, UnavailableError
from modelyard.kit.clock import FakeClock
from modelyard.kit.foreign_names import own_name
from modelyard.storage.database import Database
from modelyard.types.serving.hosting import DataCapture, HostedVariant
from modelyard.types.signatures import DataType
from modelyard.types.tensors import CapturedBodies, CaptureRecord, RawTensor

HOUR_NS = 3_600_000_000_000
AT_NS = 500_000 * HOUR_NS + 61_025_000_000
PLACE = "s3://captures/all/Churn/AllTraffic/2027/01/15/08"
CSV = CapturedBodies(request_type="text/csv", request=b"1,2", answer_type="text/csv; charset=utf-8", answer=b"0.5\n")


@dataclass
class Bucket:
    """Takes objects, or fails."""

    objects: dict[str, bytes] = field(default_factory=dict)
    fault: Exception | None = None

    def download(self, project: str, uri: str, path: Path) -> None:
        path.write_bytes(self.objects[uri])

    def media_type(self, project: str, uri: str) -> str:
        return ""

    def read(self, project: str, uri: str) -> bytes:
        return self.objects[uri]

    def write(self, project: str, uri: str, content: bytes) -> None:
        if self.fault is not None:
            raise self.fault
        assert project == "default"
        self.objects[uri] = content

    def lines(self) -> list[dict]:
        return [json.loads(line) for content in self.objects.values() for line in content.splitlines()]


@pytest.fixture
def documents(database: Database) -> DocumentService:
    return DocumentService(database, DocumentRepository(), FakeClock())


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def captures(documents: DocumentService, bucket: Bucket, tmp_path: Path) -> DataCaptures:
    return DataCaptures(documents, bucket, tmp_path / "lines", FakeClock())


def host(documents: DocumentService, name: str = "Churn", capture: DataCapture | None = None) -> None:
    wanted = capture or DataCapture(share=1.0, destination="s3://captures/all/")
    hosted = HostedEndpoint(label="one", variants=(HostedVariant(name="AllTraffic", model="Churn"),), capture=wanted)
    documents.create(ENDPOINT, "default", name, to_content(hosted))


def record(
    id: str = "inf-1", at_ns: int = AT_NS, endpoint: str = "Churn", bodies: CapturedBodies | None = CSV
) -> CaptureRecord:
    def tensor(name: str, shape: tuple[int, ...]) -> RawTensor:
        return RawTensor(name=name, datatype=DataType.FP32, shape=shape, data=b"\0\0\x80?" * shape[0] * shape[1])

    return CaptureRecord(
        id=id,
        at_ns=at_ns,
        project="default",
        endpoint=own_name(endpoint),
        variant=own_name("AllTraffic"),
        model="churn",
        number=1,
        rows=2,
        latency_us=1,
        queue_us=1,
        principal="AKIA",
        inputs=(tensor("x", (2, 3)),),
        outputs=(tensor("y", (2, 1)),),
        bodies=bodies,
    )


def test_a_line_holds_what_was_sent_and_answered(documents, captures, bucket):
    host(documents)
    captures.take([record(bodies=CapturedBodies(**{**_fields(CSV), "event_id": "mine", "attributes": "trace=7"}))])
    captures.run_once()
    [uri] = bucket.objects
    assert uri.startswith(f"{PLACE}/01-01-025-")
    assert uri.endswith(".jsonl")
    assert bucket.lines() == [
        {
            "captureData": {
                "endpointInput": {
                    "observedContentType": "text/csv",
                    "mode": "INPUT",
                    "data": "1,2",
                    "encoding": "CSV",
                },
                "endpointOutput": {
                    "observedContentType": "text/csv; charset=utf-8",
                    "mode": "OUTPUT",
                    "data": "0.5\n",
                    "encoding": "CSV",
                },
            },
            "eventMetadata": {
                "eventId": "inf-1",
                "inferenceTime": "2027-01-15T08:01:01Z",
                "inferenceId": "mine",
                "customAttributes": ["trace=7"],
            },
            "eventVersion": "0",
        }
    ]


def test_other_content_types_stand_in_base64_unless_they_count_as_text(documents, captures, bucket):
    types = DataCapture(share=1.0, destination="s3://captures/all", modes=("INPUT",), json_types=("application/x",))
    host(documents, capture=types)
    for name, kind in (("inf-1", "application/x"), ("inf-2", "image/png")):
        bodies = CapturedBodies(request_type=kind, request=b"{}", answer_type="text/csv", answer=b"1")
        captures.take([record(name, bodies=bodies)])
    captures.run_once()
    sides = [line["captureData"] for line in bucket.lines()]
    assert [(side["endpointInput"]["data"], side["endpointInput"]["encoding"]) for side in sides] == [
        ("{}", "JSON"),
        ("e30=", "BASE64"),
    ]
    assert all("endpointOutput" not in side for side in sides)


def test_what_came_by_another_protocol_is_written_as_csv(documents, captures, bucket):
    host(documents)
    captures.take([record(bodies=None)])
    captures.run_once()
    data = bucket.lines()[0]["captureData"]
    assert data["endpointInput"]["data"] == "1.0,1.0,1.0\n1.0,1.0,1.0\n"
    assert data["endpointOutput"]["data"] == "1.0\n1.0\n"


def test_endpoints_without_data_capture_leave_nothing(documents, captures, bucket, tmp_path):
    host(documents)
    captures.take([record(endpoint="Other")])
    captures.run_once()
    assert bucket.objects == {}


def test_each_hour_has_a_folder_and_what_follows_closely_is_one_file(documents, captures, bucket):
    host(documents)
    captures.take([record("inf-1"), record("inf-3", AT_NS + HOUR_NS)])
    captures.take([record("inf-2")])
    captures.run_once()
    folders = [uri.rpartition("/")[0].rpartition("/")[2] for uri in bucket.objects]
    assert sorted(folders) == ["08", "09"]
    assert sorted(len(content.splitlines()) for content in bucket.objects.values()) == [1, 2]


def test_lines_wait_for_a_store_that_does_not_answer_and_are_stored_once(documents, captures, bucket):
    host(documents)
    bucket.fault = UnavailableError("no answer", hint="Wait.")
    captures.take([record()])
    captures.take([record()])  # a segment that is read again after a crash
    captures.run_once()
    bucket.fault = None
    captures.run_once()
    captures.run_once()
    assert len(bucket.lines()) == 1


def test_lines_for_a_bucket_that_is_not_there_keep_nothing_waiting(documents, captures, bucket, tmp_path):
    host(documents)
    bucket.fault = NotFoundError("no such bucket", hint="Create it.")
    captures.take([record()])
    captures.run_once()
    assert not list((tmp_path / "lines").iterdir())


def _fields(bodies: CapturedBodies) -> dict:
    return {name: getattr(bodies, name) for name in bodies.__struct_fields__}
