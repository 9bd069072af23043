"""Objects by s3:// address, for what reads and writes them on a project's behalf: jobs, hosting, batch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from modelyard.control.buckets.contracts import S3Store
from modelyard.control.buckets.errors import S3ObjectNotFoundError, S3UriInvalidError
from modelyard.control.buckets.service import BucketService
from modelyard.storage.objects import ObjectNotFoundError, ObjectStore, S3Location, open_bucket

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class S3Object:
    """One object of a listing."""

    uri: str
    key: str
    size_bytes: int


class S3Files:
    """Reads and writes objects in a project's own buckets. Safe from any thread; bodies are streamed.

    Every method raises S3UriInvalidError for an address that is none, BucketNotFoundError for a bucket that is not the
    project's, and S3UnavailableError or UnavailableError when the store does not answer.
    """

    def __init__(
        self,
        store: S3Store,
        buckets: BucketService,
        open_objects: Callable[[S3Location, str], ObjectStore] = open_bucket,
    ) -> None:
        self._store = store
        self._buckets = buckets
        self._open_objects = open_objects

    def open(self, project: str, bucket: str) -> ObjectStore:
        """All objects of a bucket."""
        self._buckets.check(bucket, project)
        return self._open_objects(self._store.ready(), bucket)

    def read(self, project: str, uri: str) -> bytes:
        """The whole content of a small object.

        Raises:
            S3ObjectNotFoundError: there is none.
        """
        return self._of_object(project, uri, lambda objects, key: objects.read(key))

    def media_type(self, project: str, uri: str) -> str:
        """The Content-Type that an object was stored with.

        Raises:
            S3ObjectNotFoundError: there is none.
        """
        return self._of_object(project, uri, lambda objects, key: objects.media_type(key))

    def write(self, project: str, uri: str, content: bytes) -> None:
        """Store a small object, replacing what was there."""
        objects, _, key = self._open(project, uri)
        objects.put_stream(key, iter([content]))

    def upload(self, project: str, path: Path, uri: str) -> None:
        """Store a file, or the files of a folder below `uri`."""
        objects, _, key = self._open(project, uri)
        if path.is_file():
            objects.put_file(key, path)
            return
        for each in sorted(each for each in path.rglob("*") if each.is_file()):
            objects.put_file(f"{key.rstrip('/')}/{each.relative_to(path).as_posix()}".lstrip("/"), each)

    def objects(self, project: str, uri: str) -> Iterator[S3Object]:
        """Objects whose key starts with the key of `uri`, by key; also the one that has just this key."""
        objects, bucket, prefix = self._open(project, uri)
        folder = prefix.rpartition("/")[0]
        found = [info for info in objects.list(folder) if info.key.startswith(prefix)]
        for info in sorted(found, key=lambda info: info.key):
            yield S3Object(f"s3://{bucket}/{info.key}", info.key, info.size_bytes)

    def exists(self, project: str, uri: str) -> bool:
        """Whether there is an object with just this key."""
        objects, _, key = self._open(project, uri)
        return bool(key) and objects.exists(key)

    def download(self, project: str, uri: str, path: Path) -> None:
        """Write one object to a file.

        Raises:
            S3ObjectNotFoundError: there is none.
        """
        self._of_object(project, uri, lambda objects, key: objects.download(key, path))

    def _of_object(self, project: str, uri: str, look: Callable[[ObjectStore, str], _T]) -> _T:
        """What `look` finds of the object at an address."""
        objects, _, key = self._open(project, uri)
        try:
            return look(objects, key)
        except ObjectNotFoundError:
            raise _not_found(uri) from None

    def _open(self, project: str, uri: str) -> tuple[ObjectStore, str, str]:
        bucket, key = parse_uri(uri)
        return self.open(project, bucket), bucket, key


def parse_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`; the key may be empty.

    Raises:
        S3UriInvalidError: it is no such address.
    """
    parts = urlsplit(uri, allow_fragments=False)
    if parts.scheme != "s3" or not parts.netloc:
        raise S3UriInvalidError(f"'{uri[:200]}' is not an S3 address", hint="Write s3://bucket/key.")
    return parts.netloc, uri[len("s3://") + len(parts.netloc) + 1 :]


def _not_found(uri: str) -> S3ObjectNotFoundError:
    return S3ObjectNotFoundError(f"There is nothing at {uri}", hint="Upload it first, or look at the spelling.")
