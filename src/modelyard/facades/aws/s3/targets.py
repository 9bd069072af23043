"""What a request to S3 is about."""

from dataclasses import dataclass
from urllib.parse import unquote

from modelyard.facades.aws.wire.requests import WireRequest

_OWN_QUERY_PREFIXES = ("x-amz-", "awsaccesskeyid", "signature", "expires", "x-id")


@dataclass(frozen=True, slots=True)
class Target:
    """Bucket and key, and what of them. `subresources`: other names in the query, such as versioning."""

    method: str
    bucket: str
    key: str
    subresources: frozenset[str]

    @classmethod
    def of(cls, request: WireRequest) -> "Target":
        """From path and query."""
        bucket, _, key = request.raw_path.lstrip("/").partition("/")
        named = frozenset(name for name in request.query if not name.lower().startswith(_OWN_QUERY_PREFIXES))
        return cls(request.method, unquote(bucket), unquote(key), named)

    @property
    def is_bare(self) -> bool:
        """Whether it names no subresource."""
        return not self.subresources

    @property
    def makes_bucket(self) -> bool:
        """Whether it is CreateBucket."""
        return self.method == "PUT" and bool(self.bucket) and not self.key and self.is_bare

    @property
    def removes_bucket(self) -> bool:
        """Whether it is DeleteBucket."""
        return self.method == "DELETE" and bool(self.bucket) and not self.key and self.is_bare

    @property
    def deletes_objects(self) -> bool:
        """Whether it is DeleteObjects."""
        return self.method == "POST" and not self.key and "delete" in self.subresources

    @property
    def is_object(self) -> bool:
        """Whether a good answer is about an object's content, or has it; the parts of an upload are listed."""
        return self.method in ("GET", "HEAD") and bool(self.key) and "uploadId" not in self.subresources
