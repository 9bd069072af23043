"""All SQL of models and their versions. Discovery's is in `discovery.repository`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update

from modelyard.control.models.errors import ModelNotFoundError, ModelVersionNotFoundError
from modelyard.control.models.facts import facts_of, fold_value, model_words, version_words
from modelyard.control.models.references import Selector
from modelyard.control.models.tables import (
    model_aliases,
    model_deployments,
    model_evaluations,
    model_facts,
    model_files,
    model_garbage,
    model_tags,
    model_versions,
    models,
)
from modelyard.control.rest.pages import PageQuery
from modelyard.kit.ids import new_id
from modelyard.storage.keyset import keyset
from modelyard.types.models import BundleFile, Evaluation, Model, ModelVersion

_LOCK = 0x6D6F6463  # any constant that every process agrees on


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model with what its rows know beyond it."""

    id: str
    next_number: int
    model: Model


class ModelRepository:
    """Rows of the models' tables as Model and ModelVersion."""

    def get(self, connection: Connection, project: str, name: str, *, for_update: bool = False) -> StoredModel | None:
        """A model, if there is one of this name. `for_update` makes other writers of it wait (on PostgreSQL)."""
        if "\0" in name:  # no name has it, and PostgreSQL would call it an error
            return None
        statement = select(models).where(models.c.project == project, models.c.name == name)
        row = connection.execute(statement.with_for_update() if for_update else statement).one_or_none()
        return None if row is None else self._stored(connection, [row])[0]

    def found(self, connection: Connection, project: str, name: str, *, for_update: bool = False) -> StoredModel:
        """`get`, for models that must be there.

        Raises:
            ModelNotFoundError: there is none.
        """
        stored = self.get(connection, project, name, for_update=for_update)
        if stored is None:
            raise ModelNotFoundError(
                f"There is no model '{name[:80]}' in project '{project}'",
                hint=f"GET /registry/v1/projects/{project}/models lists them.",
                field="model",
            )
        return stored

    def list_models(self, connection: Connection, project: str, page: PageQuery) -> list[Model]:
        """Models by name."""
        statement = keyset(select(models).where(models.c.project == project), [models.c.name], page.after, page.limit)
        return [stored.model for stored in self._stored(connection, connection.execute(statement).all())]

    def insert(self, connection: Connection, model: Model) -> StoredModel:
        """Add a model without versions; its name must be free."""
        model_id = new_id("model")
        connection.execute(insert(models).values(id=model_id, next_number=1, **_model_values(model)))
        self._write_tags(connection, model_id, model.tags)
        return StoredModel(model_id, 1, model)

    def update(self, connection: Connection, model_id: str, model: Model) -> None:
        """Replace what may change."""
        connection.execute(update(models).where(models.c.id == model_id).values(_model_values(model)))
        connection.execute(delete(model_tags).where(model_tags.c.model_id == model_id))
        self._write_tags(connection, model_id, model.tags)

    def delete(self, connection: Connection, model_id: str) -> None:
        """Remove a model and all its versions; their content becomes garbage."""
        versions = select(model_versions.c.id).where(model_versions.c.model_id == model_id)
        self._discard(connection, model_files.c.version_id.in_(versions))
        connection.execute(delete(models).where(models.c.id == model_id))

    def is_empty(self, connection: Connection, project: str) -> bool:
        """True if the project has no model."""
        return connection.execute(select(models.c.id).where(models.c.project == project).limit(1)).first() is None

    def stored_bytes(self, connection: Connection, project: str) -> int:
        """Of all versions of a project; files that several versions share count for each."""
        statement = select(func.coalesce(func.sum(model_versions.c.size_bytes), 0)).join(models)
        return int(connection.execute(statement.where(models.c.project == project)).scalar_one())

    def stored_by_project(self, connection: Connection) -> dict[str, int]:
        """The same for every project that stores something."""
        size = func.sum(model_versions.c.size_bytes)
        statement = select(models.c.project, size).join_from(model_versions, models).group_by(models.c.project)
        return {project: int(stored) for project, stored in connection.execute(statement)}

    def insert_version(self, connection: Connection, model_id: str, version: ModelVersion) -> str:
        """Add a version with its files and facts, and make it the model's newest; returns its id."""
        version_id = new_id("version")
        connection.execute(
            insert(model_versions).values(
                id=version_id,
                model_id=model_id,
                number=version.number,
                digest=version.digest,
                size_bytes=version.size_bytes,
                manifest=version.manifest,
                lineage=version.lineage,
                search_text=version_words(version.manifest),
                created_at=version.created_at,
            )
        )
        connection.execute(insert(model_files), [{"version_id": version_id, **asdict(file)} for file in version.files])
        facts = [{"version_id": version_id, **asdict(fact)} for fact in facts_of(version.manifest, version.lineage)]
        connection.execute(insert(model_facts), facts)
        connection.execute(
            update(models).where(models.c.id == model_id).values(latest=version.number, next_number=version.number + 1)
        )
        return version_id

    def delete_version(self, connection: Connection, model_id: str, version_id: str) -> None:
        """Remove a version; the newest of those left becomes the model's newest, its content becomes garbage."""
        self._discard(connection, model_files.c.version_id == version_id)
        connection.execute(delete(model_versions).where(model_versions.c.id == version_id))
        newest = select(func.max(model_versions.c.number)).where(model_versions.c.model_id == model_id)
        connection.execute(update(models).where(models.c.id == model_id).values(latest=newest.scalar_subquery()))

    def find_version(
        self, connection: Connection, project: str, name: str, selector: Selector
    ) -> tuple[str, ModelVersion] | None:
        """A version and its id, if there is such a one."""
        if "\0" in name + (selector.alias or ""):
            return None
        statement = _versions().where(models.c.project == project, models.c.name == name)
        if selector.alias is not None:
            statement = statement.join(model_aliases, model_aliases.c.version_id == model_versions.c.id)
            statement = statement.where(model_aliases.c.alias == selector.alias)
        else:
            number = models.c.latest if selector.number is None else selector.number
            statement = statement.where(model_versions.c.number == number)
        row = connection.execute(statement).one_or_none()
        return None if row is None else (row.id, self._complete(connection, [row])[row.id])

    def found_version(
        self, connection: Connection, project: str, name: str, selector: Selector
    ) -> tuple[str, ModelVersion]:
        """`find_version`, for versions that must be there.

        Raises:
            ModelNotFoundError: there is no such model.
            ModelVersionNotFoundError: the model has no such version.
        """
        found = self.find_version(connection, project, name, selector)
        if found is None:
            model = self.found(connection, project, name).model
            has = f"its newest version is {model.latest}" if model.latest else "it has no version yet"
            aliases = f", its aliases are {', '.join(model.aliases)}" if model.aliases else ""
            raise ModelVersionNotFoundError(
                f"There is no model version '{name}{selector}'", hint=f"Model '{name}': {has}{aliases}.", field="ref"
            )
        return found

    def id_of_digest(self, connection: Connection, model_id: str, digest: str) -> str | None:
        """The id of the version of a model that has exactly these files, if there is one."""
        statement = select(model_versions.c.id).where(
            model_versions.c.model_id == model_id, model_versions.c.digest == digest
        )
        return connection.execute(statement).scalar_one_or_none()

    def list_versions(self, connection: Connection, model_id: str, page: PageQuery) -> list[ModelVersion]:
        """Versions, newest first."""
        statement = _versions().where(model_versions.c.model_id == model_id)
        statement = keyset(statement, [model_versions.c.number], page.after, page.limit, descending=True)
        return list(self._complete(connection, connection.execute(statement).all()).values())

    def versions_by_id(self, connection: Connection, ids: Sequence[str]) -> dict[str, ModelVersion]:
        """Id -> version in the order of `ids`, without those that are gone."""
        rows = connection.execute(_versions().where(model_versions.c.id.in_(ids))).all()
        found = self._complete(connection, rows)
        return {version_id: found[version_id] for version_id in ids if version_id in found}

    def version_by_id(self, connection: Connection, version_id: str) -> ModelVersion:
        """The version that an earlier request made.

        Raises:
            ModelVersionNotFoundError: it was deleted.
        """
        found = self.versions_by_id(connection, [version_id])
        if not found:
            raise ModelVersionNotFoundError(
                "The version that this request made was deleted since",
                hint="Use a new Idempotency-Key to make it anew.",
            )
        return found[version_id]

    def descriptions(self, connection: Connection, project: str, names: Iterable[str]) -> dict[str, str]:
        """Name -> description of these models."""
        statement = select(models.c.name, models.c.description).where(
            models.c.project == project, models.c.name.in_(set(names))
        )
        return {row.name: row.description for row in connection.execute(statement)}

    def trained_on(self, connection: Connection, project: str, dataset: str) -> list[str]:
        """Refs of the versions that were made of a dataset."""
        statement = (
            select(models.c.name, model_versions.c.number)
            .join(model_versions, model_versions.c.model_id == models.c.id)
            .join(model_facts, model_facts.c.version_id == model_versions.c.id)
            .where(models.c.project == project, model_facts.c.field == "dataset", model_facts.c.text == dataset)
            .order_by(models.c.name, model_versions.c.number)
        )
        return [f"{row.name}:{row.number}" for row in connection.execute(statement)]

    def children(self, connection: Connection, project: str, name: str) -> dict[int, tuple[int, ...]]:
        """Version number -> numbers of the versions of this model that were retrained from it."""
        statement = (
            select(model_versions.c.number, model_versions.c.lineage)
            .join(models, models.c.id == model_versions.c.model_id)
            .where(models.c.project == project, models.c.name == name)
            .order_by(model_versions.c.number)
        )
        found: dict[int, tuple[int, ...]] = {}
        for row in connection.execute(statement):
            if row.lineage.parent is not None:
                found[row.lineage.parent] = (*found.get(row.lineage.parent, ()), row.number)
        return found

    def set_alias(self, connection: Connection, model_id: str, alias: str, version_id: str) -> None:
        """Point an alias to a version, new or moved."""
        self.delete_alias(connection, model_id, alias)
        connection.execute(insert(model_aliases).values(model_id=model_id, alias=alias, version_id=version_id))

    def delete_alias(self, connection: Connection, model_id: str, alias: str) -> None:
        """Remove an alias; no effect if there is none."""
        connection.execute(
            delete(model_aliases).where(model_aliases.c.model_id == model_id, model_aliases.c.alias == alias)
        )

    def set_evaluation(self, connection: Connection, version_id: str, evaluation: Evaluation) -> None:
        """Add an evaluation, or replace the one of the same name."""
        connection.execute(
            delete(model_evaluations).where(
                model_evaluations.c.version_id == version_id, model_evaluations.c.name == evaluation.name
            )
        )
        connection.execute(
            insert(model_evaluations).values(version_id=version_id, name=evaluation.name, evaluation=evaluation)
        )

    def set_deployments(self, connection: Connection, project: str, endpoint: str, version_ids: Sequence[str]) -> None:
        """Replace what an endpoint serves."""
        connection.execute(
            delete(model_deployments).where(
                model_deployments.c.project == project, model_deployments.c.endpoint == endpoint
            )
        )
        if version_ids:
            rows = [{"project": project, "endpoint": endpoint, "version_id": id_} for id_ in version_ids]
            connection.execute(insert(model_deployments), rows)

    def deployed_versions(self, connection: Connection, model_id: str) -> dict[int, str]:
        """Number -> an endpoint that serves it, for the versions of a model that are served."""
        statement = (
            select(model_versions.c.number, model_deployments.c.endpoint)
            .join(model_deployments, model_deployments.c.version_id == model_versions.c.id)
            .where(model_versions.c.model_id == model_id)
            .order_by(model_versions.c.number.desc())
        )
        return {row.number: row.endpoint for row in connection.execute(statement)}

    def lock(self, connection: Connection) -> None:
        """Let nobody else create, deploy or remove until this transaction ends. A writer on SQLite is alone anyway."""
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))

    def garbage(self, connection: Connection) -> list[str]:
        """Digests of content that deleted versions left."""
        return list(connection.execute(select(model_garbage.c.digest)).scalars())

    def is_content_used(self, connection: Connection, digest: str) -> bool:
        """True if a version has a file of this content."""
        return (
            connection.execute(select(model_files.c.path).where(model_files.c.digest == digest).limit(1)).first()
            is not None
        )

    def forget_garbage(self, connection: Connection, digest: str) -> None:
        """It was removed, or is in use again."""
        connection.execute(delete(model_garbage).where(model_garbage.c.digest == digest))

    def leave(self, connection: Connection, digests: set[str]) -> None:
        """Content that may be garbage from now on; what a version has is kept when garbage is collected."""
        known = set(self.garbage(connection))
        if digests - known:
            connection.execute(insert(model_garbage), [{"digest": digest} for digest in sorted(digests - known)])

    def _discard(self, connection: Connection, which: ColumnElement[bool]) -> None:
        self.leave(connection, set(connection.execute(select(model_files.c.digest).where(which)).scalars()))

    def _write_tags(self, connection: Connection, model_id: str, tags: Sequence[str]) -> None:
        folded = {fold_value(tag) for tag in tags}
        if folded:
            connection.execute(insert(model_tags), [{"model_id": model_id, "tag": tag} for tag in sorted(folded)])

    def _stored(self, connection: Connection, rows: Sequence[Row[Any]]) -> list[StoredModel]:
        """Models of these rows, with their aliases."""
        statement = (
            select(model_aliases.c.model_id, model_aliases.c.alias, model_versions.c.number)
            .join(model_versions, model_versions.c.id == model_aliases.c.version_id)
            .where(model_aliases.c.model_id.in_([row.id for row in rows]))
            .order_by(model_aliases.c.alias)
        )
        aliases = _grouped(connection.execute(statement))
        return [StoredModel(row.id, row.next_number, _model(row, dict(aliases.get(row.id, [])))) for row in rows]

    def _complete(self, connection: Connection, rows: Sequence[Row[Any]]) -> dict[str, ModelVersion]:
        """Versions of these rows with everything beside them, in one statement a table; id -> version."""
        ids = [row.id for row in rows]
        beside: dict[str, Mapping[str, Sequence[Any]]] = {
            "aliases": self._beside(connection, ids, model_aliases.c.alias),
            "endpoints": self._beside(connection, ids, model_deployments.c.endpoint),
            "evaluations": self._beside(connection, ids, model_evaluations.c.evaluation, model_evaluations.c.name),
        }
        statement = select(model_files).where(model_files.c.version_id.in_(ids)).order_by(model_files.c.path)
        files: dict[str, list[BundleFile]] = {}
        for row in connection.execute(statement):
            file = BundleFile(path=row.path, digest=row.digest, size_bytes=row.size_bytes)
            files.setdefault(row.version_id, []).append(file)
        return {
            row.id: ModelVersion(
                project=row.project,
                model=row.name,
                number=row.number,
                digest=row.digest,
                size_bytes=row.size_bytes,
                manifest=row.manifest,
                files=tuple(files.get(row.id, ())),
                lineage=row.lineage,
                created_at=row.created_at,
                **{field: tuple(values.get(row.id, ())) for field, values in beside.items()},
            )
            for row in rows
        }

    @staticmethod
    def _beside(connection: Connection, ids: Sequence[str], column: Any, order: Any = None) -> dict[str, list[Any]]:
        """Version id -> values of a column of a table beside the versions."""
        owner = column.table.c.version_id
        statement = select(owner, column).where(owner.in_(ids)).order_by(column if order is None else order)
        found: dict[str, list[Any]] = {}
        for version_id, value in connection.execute(statement):
            found.setdefault(version_id, []).append(value)
        return found


def _versions() -> Any:
    return select(model_versions, models.c.project, models.c.name).join(
        models, models.c.id == model_versions.c.model_id
    )


def _model_values(model: Model) -> dict[str, Any]:
    values = asdict(model)
    del values["aliases"]
    return values | {"search_text": model_words(model.name, model.description, model.tags)}


def _model(row: Row[Any], aliases: dict[str, int]) -> Model:
    return Model(
        project=row.project,
        name=row.name,
        description=row.description,
        tags=row.tags,
        latest=row.latest,
        aliases=aliases,
        created_at=row.created_at,
        updated_at=row.updated_at,
        version=row.version,
    )


def _grouped(rows: Iterable[Any]) -> dict[str, list[tuple[str, int]]]:
    found: dict[str, list[tuple[str, int]]] = {}
    for owner, key, value in rows:
        found.setdefault(owner, []).append((key, value))
    return found
