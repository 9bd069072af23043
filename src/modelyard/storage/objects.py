"""Objects by key: files on disk, memory (tests), or an S3 bucket, behind one contract."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, S3Store

from modelyard.errors import InvalidInputError, NotFoundError, UnavailableError
from modelyard.kit.files import DISK_FULL, DiskFullError, is_disk_full

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Backend

_CHUNK_BYTES = 4 << 20
_NO_SPACE = tuple(os.strerror(each) for each in DISK_FULL)  # obstore's errors have the system's words, and no number


class ObjectNotFoundError(NotFoundError):
    """No object has this key."""

    code = "object_not_found"


class ObjectKeyInvalidError(InvalidInputError):
    """A key that is empty, absolute, or has empty, "." or ".." parts."""

    code = "object_key_invalid"


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object of a listing."""

    key: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Location:
    """An S3 server and the keys for it."""

    endpoint: str
    access_key: str
    secret: str = field(repr=False)
    region: str = "us-east-1"


class ObjectStore(ABC):
    """Immutable-in-practice blobs by key ("sha256/ab/<hex>", "captures/default/digits/...").

    Safe from any thread. A key holds a whole object or none: a write that fails or is killed leaves what was there.
    Every method raises ObjectKeyInvalidError for a bad key and UnavailableError when the store does not answer.
    """

    @abstractmethod
    def put_file(self, key: str, path: Path) -> None:
        """Store a file's content, replacing what was there."""

    @abstractmethod
    def put_stream(self, key: str, chunks: Iterator[bytes]) -> None:
        """Store the concatenation of `chunks`, never all of it in memory."""

    @abstractmethod
    def read(self, key: str) -> bytes:
        """The whole content. For small objects.

        Raises:
            ObjectNotFoundError: there is none.
        """

    @abstractmethod
    def stream(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes [start, end) in chunks; `end` None or beyond the end means up to the end.

        Raises:
            ObjectNotFoundError: there is none (raised by the call, not by the first chunk).
        """

    @abstractmethod
    def download(self, key: str, path: Path) -> None:
        """Write the content to a local file that appears whole or not at all.

        Raises:
            ObjectNotFoundError: there is none.
        """

    @abstractmethod
    def info(self, key: str) -> ObjectInfo:
        """Size of an object.

        Raises:
            ObjectNotFoundError: there is none.
        """

    @abstractmethod
    def media_type(self, key: str) -> str:
        """The Content-Type that an object was stored with; empty: the store keeps none.

        Raises:
            ObjectNotFoundError: there is none.
        """

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """All objects whose key starts with the folder `prefix`, in no promised order."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove an object; no effect if there is none."""

    def exists(self, key: str) -> bool:
        """True if there is such an object."""
        try:
            self.info(key)
        except ObjectNotFoundError:
            return False
        return True

    def put_content(self, path: Path, sha256: str) -> str:
        """Store a file under the key of its content, unless it is there already; returns the key."""
        key = content_key(sha256)
        if not self.exists(key):
            self.put_file(key, path)
        return key


class _ObstoreObjects(ObjectStore):
    """Every kind of store that the obstore library reaches."""

    def __init__(self, backend: "Backend") -> None:
        self._backend = backend

    def put_file(self, key: str, path: Path) -> None:
        with _translated(key):
            obstore.put(self._backend, check_key(key), path)

    def put_stream(self, key: str, chunks: Iterator[bytes]) -> None:
        with _translated(key):
            obstore.put(self._backend, check_key(key), chunks)

    def read(self, key: str) -> bytes:
        with _translated(key):
            return bytes(obstore.get(self._backend, check_key(key)).bytes())

    def stream(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        size = self.info(key).size_bytes
        end = size if end is None else min(end, size)
        if start >= end:  # an empty range is an error in obstore
            return iter(())
        with _translated(key):
            chunks = obstore.get(self._backend, key, options={"range": (start, end)}).stream(_CHUNK_BYTES)
        return _chunks(key, iter(chunks))

    def download(self, key: str, path: Path) -> None:
        temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
        try:
            with temporary.open("xb") as file:
                file.writelines(self.stream(key))
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def info(self, key: str) -> ObjectInfo:
        with _translated(key):
            meta = obstore.head(self._backend, check_key(key))
            return ObjectInfo(key, meta["size"])

    def media_type(self, key: str) -> str:
        with _translated(key):
            return str(obstore.get(self._backend, check_key(key)).attributes.get("Content-Type", ""))

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        if prefix:
            check_key(prefix.rstrip("/"))
        with _translated(prefix):
            for batch in obstore.list(self._backend, prefix.rstrip("/") or None):
                for meta in batch:
                    yield ObjectInfo(meta["path"], meta["size"])

    def delete(self, key: str) -> None:
        try:
            with _translated(key):
                obstore.delete(self._backend, check_key(key))
        except ObjectNotFoundError:
            return  # S3 does not say whether there was one; neither do we


def open_objects(url: str) -> ObjectStore:
    """The store at `file:///folder` (made if absent), `memory://` (a new one each time) or `s3://bucket/prefix`.

    S3 takes its endpoint, region and keys from the usual AWS_* environment variables (AWS_ENDPOINT_URL for servers
    other than Amazon's).

    Raises:
        InvalidInputError: another kind of URL.
    """
    scheme = url.split("://", 1)[0]
    opener = _OPENERS.get(scheme)
    if opener is None:
        raise InvalidInputError(
            f"'{url}' is not an object store URL", hint="Use file:///folder, s3://bucket/prefix or memory://."
        )
    return _ObstoreObjects(opener(url))


def open_bucket(location: S3Location, bucket: str) -> ObjectStore:
    """A bucket of an S3 server that is named here and not by the environment."""
    return _ObstoreObjects(
        S3Store(
            bucket,
            endpoint=location.endpoint,
            region=location.region,
            access_key_id=location.access_key,
            secret_access_key=location.secret,
            virtual_hosted_style_request=False,
            client_options={"allow_http": location.endpoint.startswith("http://")},
        )
    )


def _open_s3(url: str) -> "Backend":
    # Plain HTTP is fine where the operator named such an endpoint: S3 signs each request, and it is his network.
    is_plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
    return S3Store.from_url(url, client_options={"allow_http": is_plain})


_OPENERS: dict[str, Callable[[str], "Backend"]] = {
    "file": lambda url: LocalStore.from_url(url, mkdir=True),
    "memory": lambda _url: MemoryStore(),
    "s3": _open_s3,
}


@contextmanager
def _translated(key: str) -> Iterator[None]:
    """Our errors for the library's."""
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectNotFoundError(
            f"There is no object '{key}'", hint="If a record names it, restore the object store from a backup."
        ) from error
    except (BaseError, OSError) as error:
        if (isinstance(error, OSError) and is_disk_full(error)) or any(words in str(error) for words in _NO_SPACE):
            raise DiskFullError(f"the object '{key}'") from error
        reason = str(error).partition("\n\nDebug source:")[0]  # obstore adds its own structure behind it
        raise UnavailableError(
            f"The object store failed at '{key}': {reason}", hint="See `modelyard doctor` for disk and S3 settings."
        ) from error


def _chunks(key: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
    with _translated(key):
        for chunk in chunks:
            yield bytes(chunk)


def content_key(sha256: str) -> str:
    """The key of content by its SHA-256 (64 hex digits): "sha256/ab/<hex>"."""
    return f"sha256/{sha256[:2]}/{sha256}"


def check_key(key: str) -> str:
    """`key`, if it is fit for every store.

    Raises:
        ObjectKeyInvalidError: it is not.
    """
    if not key or any(part in ("", ".", "..") for part in key.split("/")) or "\0" in key or "\\" in key:
        raise ObjectKeyInvalidError(
            f"'{key[:200]}' is not a valid object key", hint="Use non-empty parts joined by '/', none of them '..'."
        )
    return key
