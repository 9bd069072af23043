"""Rules of dataset versions: immutable, numbered from 1, one for each different content."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from modelyard.control.datasets.contents import DatasetContents
from modelyard.control.datasets.errors import DatasetFormatMismatchError, DatasetVersionNotFoundError
from modelyard.control.datasets.repository import DatasetRepository, StoredDataset
from modelyard.control.datasets.service import dataset_not_found, new_dataset
from modelyard.control.rest.pages import Page, PageQuery
from modelyard.control.uploads.service import UploadService
from modelyard.data.formats import sniff_format
from modelyard.data.schema import infer_schema
from modelyard.kit.clock import Clock
from modelyard.kit.files import sha256_file
from modelyard.kit.ids import check_name
from modelyard.storage.creations import Creation, Creations
from modelyard.storage.database import Connection, Database
from modelyard.types.datasets import DatasetFormat, DatasetVersion
from modelyard.types.uploads import FetchedContent


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRequest:
    """What a new version is to be: `format` None is told by the content; `source` says where it came from."""

    project: str
    dataset: str
    format: DatasetFormat | None = None
    description: str = ""
    source: Mapping[str, str] = field(default_factory=dict)
    created_by: str = ""


class _ContentGoneError(Exception):
    """The last other dataset with this content was deleted at this very moment: put it again."""


class DatasetVersionService:
    """Makes, shows and hands out versions. Safe from any thread and from several processes.

    Args:
        database: of the registry.
        repository: the SQL.
        creations: idempotency keys.
        contents: where content is kept.
        uploads: where content comes from.
        clock: for times.
        scratch: folder for content while it is looked into; made if absent.
        check_storage: refuses so many more bytes of a project if they are too many.
    """

    def __init__(
        self,
        database: Database,
        repository: DatasetRepository,
        creations: Creations,
        contents: DatasetContents,
        uploads: UploadService,
        clock: Clock,
        scratch: Path,
        check_storage: Callable[[str, int], None] = lambda _project, _bytes: None,
    ) -> None:
        self._database = database
        self._repository = repository
        self._creations = creations
        self._contents = contents
        self._uploads = uploads
        self._clock = clock
        self._scratch = scratch
        self._check_storage = check_storage

    def create_from_upload(self, request: VersionRequest, upload_id: str, creation: Creation | None) -> DatasetVersion:
        """A version of an upload's content; the dataset is made if absent. Equal content: the version that has it.

        Raises:
            NameInvalidError: the dataset's name is not valid.
            UploadNotFoundError, UploadIncompleteError: there is no such (complete) upload.
            DatasetFormatMismatchError: the content has another format than the request says.
            DatasetFormatUnknownError, DatasetInvalidError, DatasetTooLargeError: the content is no dataset.
            QuotaExceededError: the project may not store that much.
        """
        made = self._replayed(creation)
        if made is not None:
            return made
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._scratch, prefix="dataset-") as folder:
            path = Path(folder, "content")
            content = self._uploads.fetch(request.project, upload_id, path)
            (version,) = self._create([(request, path, content)], creation)
        self._uploads.release(request.project, upload_id)
        return version

    def create_from_uploads(self, wanted: Sequence[tuple[VersionRequest, str]]) -> Sequence[DatasetVersion]:
        """Versions of several datasets of a project from an upload each: all of them, or none.

        Raises:
            What `create_from_upload` raises; nothing is made then.
        """
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._scratch, prefix="datasets-") as folder:
            parts = []
            for index, (request, upload_id) in enumerate(wanted):
                path = Path(folder, str(index))
                parts.append((request, path, self._uploads.fetch(request.project, upload_id, path)))
            versions = self._create(parts, None)
        for request, upload_id in wanted:
            self._uploads.release(request.project, upload_id)
        return versions

    def create_from_file(self, request: VersionRequest, path: Path, creation: Creation | None) -> DatasetVersion:
        """The same from a local file, which must not change meanwhile. For other parts of the platform."""
        made = self._replayed(creation)
        if made is not None:
            return made
        (version,) = self._create([(request, path, _content(path))], creation)
        return version

    def create_from_files(self, wanted: Sequence[tuple[VersionRequest, Path]]) -> Sequence[DatasetVersion]:
        """Versions of several datasets of a project from a local file each: all of them, or none."""
        return self._create([(request, path, _content(path)) for request, path in wanted], None)

    def remove_leftovers(self) -> None:
        """Empty the scratch folder of what a killed process left there. Call before this process takes requests."""
        shutil.rmtree(self._scratch, ignore_errors=True)

    def get(self, project: str, dataset: str, number: int | None = None) -> DatasetVersion:
        """A version; the newest if `number` is None.

        Raises:
            DatasetNotFoundError: there is no such dataset.
            DatasetVersionNotFoundError: it has no such version.
        """
        with self._database.read() as connection:
            stored = self._dataset(connection, project, dataset)
            wanted = stored.dataset.latest if number is None else number
            if wanted is not None and 0 < wanted < 2**31:  # PostgreSQL refuses to compare larger ones
                version = self._repository.version(connection, dataset_id=stored.id, number=wanted)
                if version is not None:
                    return version
        raise DatasetVersionNotFoundError(
            f"Dataset '{dataset}' has no version {'yet' if number is None else number}",
            hint=f"Its newest version is {stored.dataset.latest}." if stored.dataset.latest else "Upload one.",
            field="number",
        )

    def list(self, project: str, dataset: str, page: PageQuery) -> Page[DatasetVersion]:
        """Versions, the newest first.

        Raises:
            DatasetNotFoundError: there is no such dataset.
        """
        with self._database.read() as connection:
            stored = self._dataset(connection, project, dataset)
            found = self._repository.versions(connection, stored.id, page)
        return page.page(found, lambda item: (item.number,))

    def stream(self, version: DatasetVersion) -> Iterator[bytes]:
        """The content in chunks. Raises ObjectNotFoundError if the dataset was just deleted."""
        return self._contents.stream(version)

    def download(self, version: DatasetVersion, target: Path) -> None:
        """Write the content to a local file, whole or not at all, checked against the digest."""
        self._contents.download(version, target)

    def _create(
        self, parts: Sequence[tuple[VersionRequest, Path, FetchedContent]], creation: Creation | None
    ) -> Sequence[DatasetVersion]:
        """The versions of some contents, in their order, in one transaction."""
        for request, _, _ in parts:
            check_name(request.dataset, "dataset")
        versions = [
            self._known(request, content.digest) or self._described(request, path, content)
            for request, path, content in parts
        ]
        while True:  # once, unless the content of one is deleted at this very moment
            for _, path, content in parts:
                self._contents.put(path, content.digest)
            try:
                return self._record(versions, creation)
            except _ContentGoneError:
                continue

    def _known(self, request: VersionRequest, digest: str) -> DatasetVersion | None:
        """The version with this content, which need not be looked into again."""
        with self._database.read() as connection:
            stored = self._repository.get(connection, request.project, request.dataset)
            if stored is None:
                return None
            return self._repository.version(connection, dataset_id=stored.id, digest=digest)

    def _described(self, request: VersionRequest, path: Path, content: FetchedContent) -> DatasetVersion:
        format_ = sniff_format(path, content.filename)
        if request.format is not None and request.format is not format_:
            raise DatasetFormatMismatchError(
                f"'{content.filename}' is {format_}, not {request.format}",
                hint="Leave `format` out: the content tells it.",
                field="format",
            )
        return DatasetVersion(
            project=request.project,
            dataset=request.dataset,
            number=0,  # given when it is recorded
            digest=content.digest,
            size_bytes=content.size_bytes,
            format=format_,
            schema=infer_schema(path, format_),
            description=request.description,
            source=dict(request.source),
            created_at=self._clock.now(),
            created_by=request.created_by,
        )

    def _record(self, versions: Sequence[DatasetVersion], creation: Creation | None) -> Sequence[DatasetVersion]:
        """The versions as recorded.

        Raises:
            _ContentGoneError: of one; nothing is recorded.
        """
        with self._database.transaction() as connection:
            made = self._creations.replay(connection, creation)
            if made is not None:
                return [self._by_id(connection, made)]
            ids, new_bytes = {}, 0
            for version in sorted(versions, key=lambda each: each.dataset):  # all lock in one order
                dataset = new_dataset(self._clock, version.project, version.dataset, "", ())
                stored = self._repository.insert_if_absent(connection, dataset)
                version_id = self._repository.version_id(connection, stored.id, version.digest)
                if version_id is None:
                    new_bytes += version.size_bytes
                    self._check_storage(version.project, new_bytes)
                    if not self._contents.hold(connection, version.digest, version.size_bytes):
                        raise _ContentGoneError
                    version_id = self._number(connection, stored, version)
                self._creations.record(connection, creation, version_id)
                ids[version.dataset, version.digest] = version_id
            return [self._by_id(connection, ids[each.dataset, each.digest]) for each in versions]

    def _number(self, connection: Connection, stored: StoredDataset, version: DatasetVersion) -> str:
        number = (stored.dataset.latest or 0) + 1
        version_id = self._repository.insert_version(connection, stored.id, replace(version, number=number))
        grown = replace(
            stored.dataset, latest=number, updated_at=version.created_at, version=stored.dataset.version + 1
        )
        self._repository.update(connection, stored.id, grown)
        return version_id

    def _replayed(self, creation: Creation | None) -> DatasetVersion | None:
        """What an earlier request with the same key made; spares fetching and reading the content again."""
        if creation is None:
            return None
        with self._database.read() as connection:
            made = self._creations.replay(connection, creation)
            return None if made is None else self._by_id(connection, made)

    def _by_id(self, connection: Connection, version_id: str) -> DatasetVersion:
        version = self._repository.version(connection, version_id=version_id)
        if version is None:
            raise DatasetVersionNotFoundError(
                "The version that this Idempotency-Key made was deleted since", hint="Use a new key to make another."
            )
        return version

    def _dataset(self, connection: Connection, project: str, name: str) -> StoredDataset:
        stored = self._repository.get(connection, project, name)
        if stored is None:
            raise dataset_not_found(project, name)
        return stored


def _content(path: Path) -> FetchedContent:
    return FetchedContent(digest=sha256_file(path), size_bytes=path.stat().st_size, filename=path.name)
