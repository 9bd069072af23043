"""Finds and fetches the data that a request names, under the rules of what may be fetched."""

from dataclasses import dataclass
from pathlib import Path

from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.references.errors import (
    ReferenceForbiddenError,
    ReferenceInvalidError,
    ReferenceTooLargeError,
)
from modelyard.control.references.fetching import Fetcher
from modelyard.storage.objects import ObjectStore
from modelyard.types.datasets import DatasetFormat, DatasetVersion

_TABLES = (DatasetFormat.CSV, DatasetFormat.PARQUET)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Data that a project may read, not yet fetched. One of the three is set.

    Attributes:
        format: CSV or Parquet.
        version: a dataset version.
        object: key of an object.
        url: an address on an allowed host.
    """

    format: DatasetFormat
    version: DatasetVersion | None = None
    object: str | None = None
    url: str | None = None


class ReferenceService:
    """Safe from any thread.

    Args:
        registry: has the datasets.
        objects: has the objects.
        fetcher: gets what is elsewhere, and knows how large it may be.
        maximum_bytes: of a dataset version or an object.
    """

    def __init__(self, registry: RegistryClient, objects: ObjectStore, fetcher: Fetcher, maximum_bytes: int) -> None:
        self._registry = registry
        self._objects = objects
        self._fetcher = fetcher
        self._maximum_bytes = maximum_bytes

    def find(
        self, project: str, *, dataset: str | None, object: str | None, url: str | None, format: str | None
    ) -> Reference:
        """What is named, if the project may read it and it is not too large as far as that is known before.

        Raises:
            NotFoundError: no such dataset version or object.
            ReferenceInvalidError: it holds no table, or does not say what it holds.
            ReferenceForbiddenError: another project's object, or an address that is not allowed.
            ReferenceTooLargeError: a dataset version or object over the limit.
        """
        if dataset is not None:
            return self._dataset(project, dataset)
        place = object if object is not None else str(url)
        file_format = _format(format, place)
        if object is None:
            self._fetcher.check(place)
            return Reference(format=file_format, url=place)
        if not object.startswith(f"inputs/{project}/"):
            raise ReferenceForbiddenError(
                f"The object '{object[:200]}' is not among the inputs of project '{project}'",
                hint=f"Put it under inputs/{project}/ in the platform's object store.",
            )
        self._check_size(self._objects.info(object).size_bytes)
        return Reference(format=file_format, object=object)

    def fetch(self, reference: Reference, path: Path) -> None:
        """Write the data to `path`.

        Raises:
            NotFoundError: it was deleted.
            ReferenceForbiddenError, ReferenceTooLargeError, ReferenceUnreachableError: see Fetcher.
        """
        if reference.version is not None:
            self._registry.download_dataset(reference.version, path)
        elif reference.object is not None:
            self._objects.download(reference.object, path)
        else:
            self._fetcher.fetch(str(reference.url), path)

    def _dataset(self, project: str, ref: str) -> Reference:
        name, _, number = ref.partition(":")
        if number and not number.isdecimal():
            raise ReferenceInvalidError(f"'{ref[:80]}' is no dataset version", hint="Write name:3.")
        version = self._registry.dataset_version(project, name, int(number) if number else None)
        if version.format not in _TABLES:
            raise ReferenceInvalidError(
                f"Data in the format '{version.format}' is not answered by reference", hint="Use CSV or Parquet."
            )
        self._check_size(version.size_bytes)
        return Reference(format=version.format, version=version)

    def _check_size(self, size: int) -> None:
        if size > self._maximum_bytes:
            raise ReferenceTooLargeError(
                f"The data has {size} bytes; at most {self._maximum_bytes} are taken", hint="Split it into parts."
            )


def _format(given: str | None, place: str) -> DatasetFormat:
    name = place.partition("?")[0].lower()
    for known in _TABLES:
        if given == known.value or (given is None and name.endswith(f".{known.value}")):
            return known
    raise ReferenceInvalidError(
        f"'{place[:200]}' does not say what it holds", hint="Say its `format`: csv or parquet.", field="format"
    )
