"""Errors of access keys, buckets and documents: what the AWS APIs stand on."""

from datetime import UTC, datetime

from stage import Stage

from modelyard.control.access_keys.service import AccessKeyService
from modelyard.control.buckets.files import S3Files, parse_uri
from modelyard.control.buckets.keys import named
from modelyard.control.buckets.service import BucketService
from modelyard.control.documents.repository import DocumentRepository
from modelyard.control.documents.service import DocumentService
from modelyard.kit.clock import SystemClock
from modelyard.server.aws.object_server import ObjectServer
from modelyard.settings import Settings
from modelyard.storage.objects import S3Location, open_objects
from provokers.registration import provokes

_KEY = "AKIAIOSFODNN7EXAMPLE"
_TEMPORARY = "ASIAIOSFODNN7EXAMPLE"


class _Here:
    """A store that is always ready."""

    def ready(self) -> S3Location:
        return S3Location(endpoint="http://127.0.0.1:1", access_key="", secret="")


def keys(stage: Stage) -> AccessKeyService:
    return stage.registry.access_keys


def documents(stage: Stage) -> DocumentService:
    assert stage.registry.access_keys
    return DocumentService(stage._database, DocumentRepository(), SystemClock())


def buckets(stage: Stage) -> BucketService:
    return BucketService(documents(stage), SystemClock())


@provokes("access_key_not_found")
def access_key_not_found(stage: Stage) -> None:
    keys(stage).revoke(_KEY, None)


@provokes("access_key_invalid")
def access_key_invalid(stage: Stage) -> None:
    keys(stage).find(_KEY)


@provokes("session_token_invalid")
def session_token_invalid(stage: Stage) -> None:
    keys(stage).find(_TEMPORARY, "made.up")


@provokes("session_token_expired")
def session_token_expired(stage: Stage) -> None:
    service = keys(stage)
    until = datetime(2026, 1, 31, 12, tzinfo=UTC).isoformat()
    claims = {"id": _TEMPORARY, "name": "job", "project": "default", "role": "viewer", "until": until}
    service.find(_TEMPORARY, service._sealer.seal(claims))


@provokes("document_not_found")
def document_not_found(stage: Stage) -> None:
    documents(stage).get("training-job", "default", "nowhere")


@provokes("document_exists")
def document_exists(stage: Stage) -> None:
    documents(stage).create("training-job", "default", "wine", {})
    documents(stage).create("training-job", "default", "wine", {})


@provokes("bucket_not_found")
def bucket_not_found(stage: Stage) -> None:
    buckets(stage).check("wine-data", "default")


@provokes("bucket_taken")
def bucket_taken(stage: Stage) -> None:
    buckets(stage).claim("taken-data", "default")
    buckets(stage).claim("taken-data", "default")


@provokes("s3_uri_invalid")
def s3_uri_invalid(_stage: Stage) -> None:
    parse_uri("https://example.com/wine.csv")


@provokes("key_reserved")
def key_reserved(_stage: Stage) -> None:
    named("train/.~empty~/wine.csv")


@provokes("s3_object_not_found")
def s3_object_not_found(stage: Stage) -> None:
    made = buckets(stage)
    made.claim("empty-data", "default")
    files = S3Files(_Here(), made, lambda _location, _bucket: open_objects("memory://"))
    files.read("default", "s3://empty-data/train/wine.csv")


@provokes("s3_unavailable")
def s3_unavailable(stage: Stage) -> None:
    ObjectServer(Settings(home=stage.folder(), s3_url="off"), keys(stage), buckets(stage), lambda: "").ready()
