"""Objects by AWS's addresses: which bucket, which key, and which objects a prefix means."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from modelyard.control.jobs.contract.errors import BucketsMissingError, ContractInvalidError
from modelyard.storage.objects import ObjectInfo, ObjectStore

_ADDRESS = re.compile(r"s3://(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]{1,62})(?:/(?P<key>.*))?", re.DOTALL)


class Buckets(Protocol):
    """The buckets that a project may use. Safe from any thread."""

    def open(self, project: str, bucket: str) -> ObjectStore:
        """The objects of a bucket.

        Raises:
            ModelyardError: there is none of this name, or it belongs to another project.
        """


class JoinedBuckets:
    """The buckets of a store that comes into being after the jobs do; until it is joined, and without one, none."""

    def __init__(self) -> None:
        self._buckets: Buckets | None = None

    def join(self, buckets: Buckets) -> None:
        """From now on there are these. Once, before the first job runs."""
        self._buckets = buckets

    def open(self, project: str, bucket: str) -> ObjectStore:
        """See Buckets.

        Raises:
            BucketsMissingError: no store was joined: the applications run as processes of their own.
        """
        if self._buckets is None:
            raise BucketsMissingError(
                f"This process knows no S3 store, so project '{project}' has no bucket '{bucket}'",
                hint="Training jobs of SageMaker run on a platform that is one process: `modelyard up`.",
            )
        return self._buckets.open(project, bucket)


@dataclass(frozen=True, slots=True)
class Address:
    """`s3://bucket/key`; the key may be a prefix of keys, or empty."""

    bucket: str
    key: str

    @classmethod
    def of(cls, uri: str, field: str) -> "Address":
        """Read an address.

        Raises:
            ContractInvalidError: it is none.
        """
        found = _ADDRESS.fullmatch(uri)
        if found is None:
            raise ContractInvalidError(
                f"'{uri[:200]}' is not the address of objects", hint="Write s3://BUCKET/PREFIX.", field=field
            )
        return cls(found["bucket"], (found["key"] or "").lstrip("/"))

    def below(self, *parts: str) -> "Address":
        """The address of something in this folder."""
        return Address(self.bucket, "/".join(part.strip("/") for part in (self.key, *parts) if part.strip("/")))

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def objects_below(store: ObjectStore, prefix: str) -> dict[str, ObjectInfo]:
    """Name in the channel's folder -> object, for all keys that begin with `prefix`, by key.

    A prefix that is a folder or a whole key means just that; else it is cut behind its last slash.
    """
    folder = prefix if prefix.endswith("/") else prefix.rpartition("/")[0]
    found = sorted((each for each in store.list(folder) if each.key.startswith(prefix)), key=lambda each: each.key)
    keys = [each.key for each in found]
    if prefix in keys:
        return {each.key.rpartition("/")[2]: each for each in found if each.key == prefix}
    is_folder = bool(keys) and all(key[len(prefix) :].startswith("/") for key in keys)
    start = len(prefix) + 1 if is_folder else prefix.rfind("/") + 1
    return {each.key[start:]: each for each in found if not each.key.endswith("/")}


def sharded(names: Sequence[str], host: int, hosts: int) -> list[str]:
    """The part of one of several hosts: every n-th object in the order of the keys."""
    return list(names[host::hosts])
