"""Rules of datasets: names, tags, deletion, listing. Versions are in `versions`."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from modelyard.control.datasets.contents import DatasetContents
from modelyard.control.datasets.errors import DatasetExistsError, DatasetInUseError, DatasetNotFoundError
from modelyard.control.datasets.repository import DatasetRepository, StoredDataset
from modelyard.control.rest.pages import Page, PageQuery
from modelyard.control.rest.preconditions import check_version
from modelyard.kit.clock import Clock
from modelyard.kit.ids import check_name
from modelyard.storage.creations import Creation, Creations
from modelyard.storage.database import Connection, Database
from modelyard.types.datasets import Dataset

Users = Callable[[str, str], Sequence[str]]
"""(project, dataset) -> what was made of it ("digits:2", ...). A dataset in use is not deleted."""


def no_users(_project: str, _dataset: str) -> Sequence[str]:
    """Nothing uses any dataset."""
    return ()


class DatasetService:
    """Creates, shows, changes and deletes datasets. Safe from any thread and from several processes.

    Args:
        database: of the registry.
        repository: the SQL.
        creations: idempotency keys.
        contents: where content is kept.
        clock: for times.
        users: see `Users`.
    """

    def __init__(
        self,
        database: Database,
        repository: DatasetRepository,
        creations: Creations,
        contents: DatasetContents,
        clock: Clock,
        users: Users = no_users,
    ) -> None:
        self._database = database
        self._repository = repository
        self._creations = creations
        self._contents = contents
        self._clock = clock
        self._users = users

    def create(
        self, project: str, name: str, description: str, tags: Sequence[str], creation: Creation | None
    ) -> Dataset:
        """A dataset without versions.

        Raises:
            NameInvalidError: not a valid name.
            DatasetExistsError: the name is taken.
        """
        check_name(name)
        with self._database.transaction() as connection:
            made = self._creations.replay(connection, creation)
            if made is not None:
                return self._found(self._repository.get_by_id(connection, made), project, name).dataset
            if self._repository.get(connection, project, name) is not None:
                raise DatasetExistsError(
                    f"There is a dataset '{name}' already",
                    hint="Add a version to it, or choose another name.",
                    field="name",
                )
            dataset = new_dataset(self._clock, project, name, description, tags)
            stored = self._repository.insert_if_absent(connection, dataset)
            self._creations.record(connection, creation, stored.id)
            return stored.dataset

    def get(self, project: str, name: str) -> Dataset:
        """A dataset.

        Raises:
            DatasetNotFoundError: there is none.
        """
        with self._database.read() as connection:
            return self._get(connection, project, name).dataset

    def list(self, project: str, tags: Sequence[str], text: str, page: PageQuery) -> Page[Dataset]:
        """Datasets by name, with all `tags`, and all words of `text` in name, description or tags."""
        with self._database.read() as connection:
            found = self._repository.list(connection, project, tags, text.split(), page)
        return page.page(found, lambda item: (item.name,))

    def stored_bytes(self, project: str) -> int:
        """Of all versions of the project's datasets."""
        with self._database.read() as connection:
            return self._repository.stored_bytes(connection, project)

    def stored(self) -> dict[tuple[str, str], int]:
        """Bytes of all versions, by project (and no name); what metering asks for."""
        with self._database.read() as connection:
            return {(project, ""): size for project, size in self._repository.stored_by_project(connection).items()}

    def is_empty(self, project: str) -> bool:
        """True if the project has no datasets."""
        with self._database.read() as connection:
            return not self._repository.list(connection, project, (), (), PageQuery(limit=1))

    def update(
        self, project: str, name: str, description: str | None, tags: Sequence[str] | None, expected_version: int | None
    ) -> Dataset:
        """Change description or tags; None leaves them.

        Raises:
            DatasetNotFoundError: there is none.
            PreconditionFailedError: it is not at `expected_version` any more.
        """
        with self._database.transaction() as connection:
            stored = self._get(connection, project, name, is_locked=True)
            dataset = stored.dataset
            check_version(f"dataset '{name}'", dataset.version, expected_version)
            changed = replace(
                dataset,
                description=dataset.description if description is None else description,
                tags=dataset.tags if tags is None else unique(tags),
                updated_at=self._clock.now(),
                version=dataset.version + 1,
            )
            self._repository.update(connection, stored.id, changed)
            return changed

    def delete(self, project: str, name: str, expected_version: int | None) -> None:
        """Remove a dataset, its versions, and their content where no other dataset has the same.

        Allowed unless model versions were trained on it: their lineage must stay verifiable.

        Raises:
            DatasetNotFoundError: there is none.
            DatasetInUseError: models were trained on it; the message names them.
            PreconditionFailedError: it is not at `expected_version` any more.
        """
        users = self._users(project, name)
        with self._database.transaction() as connection:
            stored = self._get(connection, project, name, is_locked=True)
            check_version(f"dataset '{name}'", stored.dataset.version, expected_version)
            if users:
                more = f" and {len(users) - 3} more" if len(users) > 3 else ""  # noqa: PLR2004 - enough to recognise them
                raise DatasetInUseError(
                    f"Dataset '{name}' trained {', '.join(users[:3])}{more}", hint="Delete those model versions first."
                )
            freed = self._repository.delete(connection, stored.id)
        self._contents.release(freed)

    def _get(self, connection: Connection, project: str, name: str, *, is_locked: bool = False) -> StoredDataset:
        return self._found(self._repository.get(connection, project, name, is_locked=is_locked), project, name)

    @staticmethod
    def _found(stored: StoredDataset | None, project: str, name: str) -> StoredDataset:
        if stored is None:
            raise dataset_not_found(project, name)
        return stored


def new_dataset(clock: Clock, project: str, name: str, description: str, tags: Sequence[str]) -> Dataset:
    """A dataset as it begins."""
    now = clock.now()
    return Dataset(
        project=project,
        name=name,
        description=description,
        tags=unique(tags),
        latest=None,
        created_at=now,
        updated_at=now,
        version=1,
    )


def dataset_not_found(project: str, name: str) -> DatasetNotFoundError:
    """The error that says so."""
    return DatasetNotFoundError(
        f"There is no dataset '{name[:80]}' in project '{project}'",
        hint=f"GET /registry/v1/projects/{project}/datasets lists them.",
        field="dataset",
    )


def unique(tags: Sequence[str]) -> tuple[str, ...]:
    """Tags in order of their first appearance, each once."""
    return tuple(dict.fromkeys(tags))
