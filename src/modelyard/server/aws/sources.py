"""Objects that s3:// addresses name, in the S3 of the platform's own environment (AWS_ENDPOINT_URL, AWS_... keys)."""

from pathlib import Path

from modelyard.control.hosting.errors import ModelArchiveInvalidError
from modelyard.storage.objects import ObjectStore, open_objects

_SCHEME = "s3://"


class EnvironmentObjects:
    """See hosting.sources.Objects. The store is everybody's: projects are not told apart."""

    def download(self, project: str, uri: str, path: Path) -> None:  # noqa: ARG002
        """See Objects."""
        objects, key = _open(uri)
        objects.download(key, path)

    def read(self, project: str, uri: str) -> bytes:  # noqa: ARG002
        """See Objects."""
        objects, key = _open(uri)
        return objects.read(key)

    def write(self, project: str, uri: str, content: bytes) -> None:  # noqa: ARG002
        """See Objects."""
        objects, key = _open(uri)
        objects.put_stream(key, iter([content]))


def _open(uri: str) -> tuple[ObjectStore, str]:
    bucket, _, key = uri.removeprefix(_SCHEME).partition("/")
    if not uri.startswith(_SCHEME) or not bucket or not key:
        raise ModelArchiveInvalidError(
            f"'{uri[:200]}' is no address of an object", hint="It is like s3://bucket/path/model.tar.gz."
        )
    return open_objects(f"{_SCHEME}{bucket}"), key
