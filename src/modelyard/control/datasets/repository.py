"""All SQL of datasets."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, Table, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from modelyard.control.datasets.tables import dataset_contents, dataset_tags, dataset_versions, datasets
from modelyard.control.rest.pages import PageQuery
from modelyard.kit.ids import new_id
from modelyard.storage.keyset import keyset
from modelyard.types.datasets import Dataset, DatasetFormat, DatasetVersion

_DATASET = [column for column in datasets.c if column.name not in ("id", "search_text")]
_OWN = [column for column in dataset_versions.c if column.name not in ("id", "dataset_id")]
_VERSION = [datasets.c.project, datasets.c.name.label("dataset"), *_OWN]


@dataclass(frozen=True, slots=True)
class StoredDataset:
    """A dataset with its row's id, which outlives no deletion: a new dataset of the same name has another one."""

    id: str
    dataset: Dataset


class DatasetRepository:
    """Rows of `datasets` and of the tables around it."""

    def get(self, connection: Connection, project: str, name: str, *, is_locked: bool = False) -> StoredDataset | None:
        """A dataset by name; `is_locked` holds others off until the transaction ends."""
        statement = select(datasets.c.id, *_DATASET).where(datasets.c.project == project, datasets.c.name == name)
        return _stored(connection, statement.with_for_update() if is_locked else statement)

    def get_by_id(self, connection: Connection, dataset_id: str) -> StoredDataset | None:
        """A dataset by its row's id."""
        return _stored(connection, select(datasets.c.id, *_DATASET).where(datasets.c.id == dataset_id))

    def list(
        self, connection: Connection, project: str, tags: Sequence[str], words: Sequence[str], page: PageQuery
    ) -> Sequence[Dataset]:
        """Datasets by name that carry all `tags` and whose name, description or tags contain all `words`."""
        statement = select(*_DATASET).where(datasets.c.project == project)
        for tag in tags:
            tagged = select(dataset_tags.c.dataset_id).where(dataset_tags.c.tag == tag)
            statement = statement.where(datasets.c.id.in_(tagged))
        for word in words:
            statement = statement.where(datasets.c.search_text.contains(word.lower(), autoescape=True))
        statement = keyset(statement, [datasets.c.name], page.after, page.limit)
        return [Dataset(**row) for row in connection.execute(statement).mappings()]

    def insert_if_absent(self, connection: Connection, dataset: Dataset) -> StoredDataset:
        """The dataset of this name, locked: the one that is there, or this one, newly added."""
        row = asdict(dataset) | {"id": new_id("dataset"), "search_text": _search_text(dataset)}
        stored = None
        while stored is None:  # again only if PostgreSQL lets another transaction delete it between the two statements
            _insert_or_ignore(connection, datasets, row)
            stored = self.get(connection, dataset.project, dataset.name, is_locked=True)
        if stored.id == row["id"]:
            self._set_tags(connection, stored.id, dataset.tags)
        return stored

    def update(self, connection: Connection, dataset_id: str, dataset: Dataset) -> None:
        """Replace what may change."""
        values = asdict(dataset) | {"search_text": _search_text(dataset)}
        connection.execute(update(datasets).where(datasets.c.id == dataset_id).values(values))
        connection.execute(delete(dataset_tags).where(dataset_tags.c.dataset_id == dataset_id))
        self._set_tags(connection, dataset_id, dataset.tags)

    def delete(self, connection: Connection, dataset_id: str) -> Sequence[str]:
        """Remove a dataset with its versions; the digests of the contents that they had."""
        digests = select(dataset_versions.c.digest).where(dataset_versions.c.dataset_id == dataset_id)
        freed = connection.execute(digests).scalars().all()
        connection.execute(delete(datasets).where(datasets.c.id == dataset_id))
        return freed

    def insert_version(self, connection: Connection, dataset_id: str, version: DatasetVersion) -> str:
        """Add a version; its row's id."""
        row = {column.name: getattr(version, column.name) for column in _OWN}
        version_id = new_id("dsv")
        connection.execute(insert(dataset_versions).values(id=version_id, dataset_id=dataset_id, **row))
        return version_id

    def version(
        self,
        connection: Connection,
        *,
        dataset_id: str | None = None,
        number: int | None = None,
        digest: str | None = None,
        version_id: str | None = None,
    ) -> DatasetVersion | None:
        """The version of a dataset with this number or digest, or the one of this row's id."""
        wanted = {"dataset_id": dataset_id, "number": number, "digest": digest, "id": version_id}
        statement = _versions()
        for name, value in wanted.items():
            if value is not None:
                statement = statement.where(dataset_versions.c[name] == value)
        row = connection.execute(statement).mappings().one_or_none()
        return None if row is None else _version(row)

    def version_id(self, connection: Connection, dataset_id: str, digest: str) -> str | None:
        """The row's id of the version with this content."""
        statement = select(dataset_versions.c.id).where(
            dataset_versions.c.dataset_id == dataset_id, dataset_versions.c.digest == digest
        )
        return connection.execute(statement).scalar_one_or_none()

    def versions(self, connection: Connection, dataset_id: str, page: PageQuery) -> Sequence[DatasetVersion]:
        """Versions of a dataset, the newest first."""
        statement = _versions().where(dataset_versions.c.dataset_id == dataset_id)
        statement = keyset(statement, [dataset_versions.c.number], page.after, page.limit, descending=True)
        return [_version(row) for row in connection.execute(statement).mappings()]

    def stored_bytes(self, connection: Connection, project: str) -> int:
        """Of all versions of a project; content that several versions share counts for each."""
        statement = select(func.coalesce(func.sum(dataset_versions.c.size_bytes), 0)).join(datasets)
        return int(connection.execute(statement.where(datasets.c.project == project)).scalar_one())

    def stored_by_project(self, connection: Connection) -> dict[str, int]:
        """The same for every project that stores something."""
        size = func.sum(dataset_versions.c.size_bytes)
        statement = select(datasets.c.project, size).join_from(dataset_versions, datasets).group_by(datasets.c.project)
        return {project: int(stored) for project, stored in connection.execute(statement)}

    def hold_content(self, connection: Connection, digest: str, size_bytes: int) -> None:
        """Register a content and lock its row, so that nobody deletes it before this transaction ends."""
        is_held = False
        while not is_held:  # again only as in insert_if_absent
            _insert_or_ignore(connection, dataset_contents, {"digest": digest, "size_bytes": size_bytes})
            is_held = self._lock_content(connection, digest)

    def forget_content(self, connection: Connection, digest: str) -> bool:
        """Unregister a content that no version has any more; true if its object may go (before the commit)."""
        if not self._lock_content(connection, digest):
            return False  # another deletion was faster; what may be there again is for others
        users = select(dataset_versions.c.id).where(dataset_versions.c.digest == digest).limit(1)
        if connection.execute(users).first() is not None:
            return False
        connection.execute(delete(dataset_contents).where(dataset_contents.c.digest == digest))
        return True

    @staticmethod
    def _lock_content(connection: Connection, digest: str) -> bool:
        """True if the row is there; it then stays until the transaction ends."""
        statement = select(dataset_contents).where(dataset_contents.c.digest == digest).with_for_update()
        return connection.execute(statement).first() is not None

    @staticmethod
    def _set_tags(connection: Connection, dataset_id: str, tags: Sequence[str]) -> None:
        if tags:
            connection.execute(insert(dataset_tags), [{"dataset_id": dataset_id, "tag": tag} for tag in tags])


def _stored(connection: Connection, statement: Select[Any]) -> StoredDataset | None:
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        return None
    return StoredDataset(row["id"], Dataset(**{name: value for name, value in row.items() if name != "id"}))


def _versions() -> Select[Any]:
    return select(*_VERSION).join_from(dataset_versions, datasets)


def _version(row: RowMapping) -> DatasetVersion:
    return DatasetVersion(**{**row, "format": DatasetFormat(row["format"])})


def _search_text(dataset: Dataset) -> str:
    return "\n".join((dataset.name, dataset.description, *dataset.tags)).lower()


def _insert_or_ignore(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(table).values(dict(row)).on_conflict_do_nothing())
