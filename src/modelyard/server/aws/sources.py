"""Objects that s3:// addresses name, in the S3 of the platform's own environment (AWS_ENDPOINT_URL, AWS_... keys)."""

from pathlib import Path

from modelyard.control.hosting.errors import ModelArchiveInvalidError
from modelyard.storage.objects import open_objects

_SCHEME = "s3://"


class EnvironmentObjects:
    """See hosting.sources.ArchiveSource."""

    def download(self, project: str, url: str, target: Path) -> None:  # noqa: ARG002 - the store is everybody's
        """See ArchiveSource."""
        bucket, _, key = url.removeprefix(_SCHEME).partition("/")
        if not url.startswith(_SCHEME) or not bucket or not key:
            raise ModelArchiveInvalidError(
                f"'{url[:200]}' is no address of an object", hint="It is like s3://bucket/path/model.tar.gz."
            )
        open_objects(f"{_SCHEME}{bucket}").download(key, target)
