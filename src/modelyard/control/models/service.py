"""Rules of models: what may be changed, what may be deleted, how versions are found by name."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from modelyard.control.models.contents import BundleContents
from modelyard.control.models.errors import (
    AliasNotFoundError,
    ModelExistsError,
    ModelFileNotFoundError,
    ModelInUseError,
)
from modelyard.control.models.lineage import lineage_graph
from modelyard.control.models.references import Selector, check_alias, parse_ref, parse_selector
from modelyard.control.models.repository import ModelRepository
from modelyard.control.rest.pages import Page, PageQuery
from modelyard.control.rest.preconditions import check_version
from modelyard.kit.clock import Clock
from modelyard.kit.ids import check_name
from modelyard.storage.creations import Creation, Creations
from modelyard.storage.database import Database
from modelyard.types.models import BundleFile, Evaluation, LineageGraph, Model, ModelVersion


class ModelService:
    """Models and what is said about their versions. `registration` makes versions, `discovery` finds them by content.

    Safe from any thread and from several processes.
    """

    def __init__(
        self,
        database: Database,
        repository: ModelRepository,
        creations: Creations,
        contents: BundleContents,
        clock: Clock,
    ) -> None:
        self._database = database
        self._repository = repository
        self._creations = creations
        self._contents = contents
        self._clock = clock

    def list_models(self, project: str, page: PageQuery) -> Page[Model]:
        """Models by name."""
        with self._database.read() as connection:
            found = self._repository.list_models(connection, project, page)
        return page.page(found, lambda model: (model.name,))

    def get(self, project: str, name: str) -> Model:
        """A model.

        Raises:
            ModelNotFoundError: there is none.
        """
        with self._database.read() as connection:
            return self._repository.found(connection, project, name).model

    def stored_bytes(self, project: str) -> int:
        """Of all versions of the project's models."""
        with self._database.read() as connection:
            return self._repository.stored_bytes(connection, project)

    def stored(self) -> dict[tuple[str, str], int]:
        """Bytes of all versions, by project (and no name); what metering asks for."""
        with self._database.read() as connection:
            return {(project, ""): size for project, size in self._repository.stored_by_project(connection).items()}

    def is_empty(self, project: str) -> bool:
        """True if the project has no model."""
        with self._database.read() as connection:
            return self._repository.is_empty(connection, project)

    def create(
        self, project: str, name: str, description: str, tags: Sequence[str], creation: Creation | None
    ) -> Model:
        """A model without versions.

        Raises:
            NameInvalidError: not a valid name.
            ModelExistsError: the name is taken.
        """
        check_name(name)
        with self._database.transaction() as connection:
            self._repository.lock(connection)
            made = self._creations.replay(connection, creation)
            if made is not None:
                return self._repository.found(connection, project, name).model
            if self._repository.get(connection, project, name) is not None:
                raise ModelExistsError(
                    f"There is a model '{name}' already",
                    hint="Register a version of it, or choose another name.",
                    field="name",
                )
            stored = self._repository.insert(connection, new_model(project, name, self._clock, description, tags))
            self._creations.record(connection, creation, stored.id)
            return stored.model

    def update(
        self,
        project: str,
        name: str,
        description: str | None,
        tags: Sequence[str] | None,
        expected_version: int | None,
    ) -> Model:
        """Change the description or the tags; None leaves one as it is.

        Raises:
            ModelNotFoundError: there is none.
            PreconditionFailedError: it is not at `expected_version` any more.
        """
        with self._database.transaction() as connection:
            stored = self._repository.found(connection, project, name, for_update=True)
            check_version(f"model '{name}'", stored.model.version, expected_version)
            changed = replace(
                self._touched(stored.model),
                description=stored.model.description if description is None else description,
                tags=stored.model.tags if tags is None else unique(tags),
            )
            self._repository.update(connection, stored.id, changed)
            return changed

    def delete(self, project: str, name: str, expected_version: int | None) -> None:
        """Remove a model with all its versions.

        Raises:
            ModelNotFoundError: there is none.
            ModelInUseError: an endpoint serves one of the versions.
            PreconditionFailedError: it is not at `expected_version` any more.
        """
        with self._database.transaction() as connection:
            self._repository.lock(connection)
            stored = self._repository.found(connection, project, name, for_update=True)
            check_version(f"model '{name}'", stored.model.version, expected_version)
            for number, endpoint in self._repository.deployed_versions(connection, stored.id).items():
                raise _served(f"{name}:{number}", endpoint)
            self._repository.delete(connection, stored.id)
        self._contents.collect_garbage()

    def list_versions(self, project: str, name: str, page: PageQuery) -> Page[ModelVersion]:
        """Versions, newest first.

        Raises:
            ModelNotFoundError: there is no such model.
        """
        with self._database.read() as connection:
            stored = self._repository.found(connection, project, name)
            found = self._repository.list_versions(connection, stored.id, page)
        return page.page(found, lambda version: (version.number,))

    def version(self, project: str, name: str, selector: str) -> ModelVersion:
        """A version by "3", "latest" or "@champion".

        Raises:
            ModelRefInvalidError: `selector` is none of these.
            ModelNotFoundError, ModelVersionNotFoundError: there is none.
        """
        with self._database.read() as connection:
            return self._repository.found_version(connection, project, name, parse_selector(selector))[1]

    def version_by_ref(self, project: str, ref: str) -> ModelVersion:
        """A version by "digits", "digits:3" or "digits@champion".

        Raises:
            ModelRefInvalidError: `ref` is none of these.
            ModelNotFoundError, ModelVersionNotFoundError: there is none.
        """
        name, selector = parse_ref(ref)
        with self._database.read() as connection:
            return self._repository.found_version(connection, project, name, selector)[1]

    def delete_version(self, project: str, name: str, number: int) -> None:
        """Remove a version. Its number is never given out again.

        Raises:
            ModelNotFoundError, ModelVersionNotFoundError: there is none.
            ModelInUseError: an endpoint serves it or an alias points to it.
        """
        with self._database.transaction() as connection:
            self._repository.lock(connection)
            stored = self._repository.found(connection, project, name, for_update=True)
            version_id, version = self._repository.found_version(connection, project, name, Selector(number=number))
            if version.endpoints:
                raise _served(version.ref, version.endpoints[0])
            if version.aliases:
                raise ModelInUseError(
                    f"The alias '{name}@{version.aliases[0]}' points to '{version.ref}'",
                    hint="Point the alias to another version or delete it first.",
                )
            self._repository.delete_version(connection, stored.id, version_id)
        self._contents.collect_garbage()

    def file(self, project: str, name: str, selector: str, path: str) -> tuple[BundleFile, Iterator[bytes]]:
        """One file of a version, and its content in chunks.

        Raises:
            ModelRefInvalidError, ModelNotFoundError, ModelVersionNotFoundError: as `version`.
            ModelFileNotFoundError: the version has no such file.
        """
        version = self.version(project, name, selector)
        file = next((file for file in version.files if file.path == path), None)
        if file is None:
            raise ModelFileNotFoundError(
                f"'{version.ref}' has no file '{path[:120]}'",
                hint=f"Its files are: {', '.join(file.path for file in version.files)}.",
            )
        return file, self._contents.stream(file)

    def download(self, file: BundleFile, target: Path) -> None:
        """Write a file of a version to `target`."""
        self._contents.download(file, target)

    def set_alias(self, project: str, name: str, alias: str, number: int) -> Model:
        """Point `name@alias` to a version, new or moved.

        Raises:
            NameInvalidError, ModelRefInvalidError: not fit for an alias.
            ModelNotFoundError, ModelVersionNotFoundError: there is no such version.
        """
        check_alias(alias)
        with self._database.transaction() as connection:
            stored = self._repository.found(connection, project, name, for_update=True)
            version_id, _ = self._repository.found_version(connection, project, name, Selector(number=number))
            if stored.model.aliases.get(alias) == number:
                return stored.model
            self._repository.set_alias(connection, stored.id, alias, version_id)
            self._repository.update(connection, stored.id, self._touched(stored.model))
            return self._repository.found(connection, project, name).model

    def delete_alias(self, project: str, name: str, alias: str) -> None:
        """Remove an alias.

        Raises:
            ModelNotFoundError: there is no such model.
            AliasNotFoundError: it has no such alias.
        """
        with self._database.transaction() as connection:
            stored = self._repository.found(connection, project, name, for_update=True)
            if alias not in stored.model.aliases:
                raise AliasNotFoundError(
                    f"Model '{name}' has no alias '{alias[:80]}'",
                    hint=f"Its aliases: {', '.join(stored.model.aliases) or 'none'}.",
                    field="alias",
                )
            self._repository.delete_alias(connection, stored.id, alias)
            self._repository.update(connection, stored.id, self._touched(stored.model))

    def record_evaluation(self, project: str, name: str, selector: str, evaluation: Evaluation) -> ModelVersion:
        """Add a verdict to a version; the same name replaces the earlier one.

        Raises:
            NameInvalidError: the evaluation's name is not valid.
            ModelRefInvalidError, ModelNotFoundError, ModelVersionNotFoundError: as `version`.
        """
        check_name(evaluation.name)
        wanted = parse_selector(selector)
        with self._database.transaction() as connection:
            version_id, version = self._repository.found_version(connection, project, name, wanted)
            self._repository.set_evaluation(connection, version_id, evaluation)
            return self._repository.found_version(connection, project, name, Selector(number=version.number))[1]

    def record_deployments(self, project: str, endpoint: str, refs: Sequence[str]) -> list[ModelVersion]:
        """Say which versions an endpoint serves now; none when it is stopped or deleted.

        Raises:
            NameInvalidError: not a valid endpoint name.
            ModelRefInvalidError, ModelNotFoundError, ModelVersionNotFoundError: there is no such version.
        """
        check_name(endpoint, "endpoint")
        wanted = [parse_ref(ref) for ref in refs]
        with self._database.transaction() as connection:
            self._repository.lock(connection)
            found = dict(self._repository.found_version(connection, project, *each) for each in wanted)
            self._repository.set_deployments(connection, project, endpoint, list(found))
            return list(self._repository.versions_by_id(connection, list(found)).values())

    def trained_on_dataset(self, project: str, dataset: str) -> list[str]:
        """Refs of the versions that were trained on a dataset, whichever of its versions."""
        with self._database.read() as connection:
            return self._repository.trained_on(connection, project, dataset)

    def lineage(self, project: str, name: str, selector: str) -> LineageGraph:
        """Where a version came from and where it went.

        Raises:
            ModelRefInvalidError, ModelNotFoundError, ModelVersionNotFoundError: as `version`.
        """
        wanted = parse_selector(selector)
        with self._database.read() as connection:
            _, version = self._repository.found_version(connection, project, name, wanted)
            children = self._repository.children(connection, project, name)

            def parent_of(child: ModelVersion) -> ModelVersion | None:
                number = child.lineage.parent
                if number is None or number >= child.number:  # a parent is older: no circle can be told
                    return None
                found = self._repository.find_version(connection, project, name, Selector(number=number))
                return None if found is None else found[1]

            return lineage_graph(version, parent_of, children)

    def _touched(self, model: Model) -> Model:
        return replace(model, updated_at=self._clock.now(), version=model.version + 1)


def new_model(project: str, name: str, clock: Clock, description: str = "", tags: Sequence[str] = ()) -> Model:
    """A model that has no versions yet."""
    now = clock.now()
    return Model(
        project=project,
        name=name,
        description=description,
        tags=unique(tags),
        latest=None,
        aliases={},
        created_at=now,
        updated_at=now,
        version=1,
    )


def unique(tags: Sequence[str]) -> tuple[str, ...]:
    """The tags without repetitions, in their order."""
    return tuple(dict.fromkeys(tags))


def _served(ref: str, endpoint: str) -> ModelInUseError:
    return ModelInUseError(
        f"Endpoint '{endpoint}' serves '{ref}'", hint="Deploy another version to the endpoint, or delete it, first."
    )
