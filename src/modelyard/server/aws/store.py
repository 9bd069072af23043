"""The S3 store with what belongs to it: who may use which bucket, and objects by address for jobs and hosting."""

from dataclasses import dataclass

from modelyard.control.access_keys.service import AccessKeyService
from modelyard.control.buckets.files import S3Files
from modelyard.control.buckets.keys import NamedParts
from modelyard.control.buckets.service import BucketService
from modelyard.control.documents.repository import DocumentRepository
from modelyard.control.documents.service import DocumentService
from modelyard.server.applications.context import Context
from modelyard.server.aws.keeping import StoreKeeper
from modelyard.server.aws.object_server import LOOK_SECONDS, ObjectServer
from modelyard.server.duties import Duty
from modelyard.storage.objects import ObjectStore, S3Location, open_bucket


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsStore:
    """What the AWS APIs, jobs and hosting have in common.

    Attributes:
        documents: keeps what AWS's objects carry that ours do not.
        server: of S3.
        files: its objects by s3:// address.
    """

    keys: AccessKeyService
    documents: DocumentService
    buckets: BucketService
    server: ObjectServer
    files: S3Files

    def duties(self) -> tuple[Duty, ...]:
        """What the store does besides answering."""
        server = self.server
        return (Duty(name="s3.server", interval_seconds=LOOK_SECONDS, run=server.look, awake=server.awake),)


def aws_store(context: Context, keys: AccessKeyService) -> AwsStore:
    """Wired; a server of our own starts when it is first wanted."""
    documents = DocumentService(context.database, DocumentRepository(), context.clock)
    buckets = BucketService(documents, context.clock)
    keeper = StoreKeeper(documents, context.presence.name)
    server = ObjectServer(context.settings, keys, buckets, keeper)
    files = S3Files(server, buckets, open_bucket if server.host else _open_named)
    return AwsStore(keys=keys, documents=documents, buckets=buckets, server=server, files=files)


def _open_named(location: S3Location, bucket: str) -> ObjectStore:
    """A bucket of our own server, which keeps paths."""
    return NamedParts(open_bucket(location, bucket))
