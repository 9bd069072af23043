"""The rules of pipelines: what may be defined, and how a definition changes."""

from dataclasses import replace

from modelyard.control.pipelines.definition import checking
from modelyard.control.pipelines.definition.ordering import graph_of
from modelyard.control.pipelines.errors import PipelineExistsError, PipelineNotFoundError
from modelyard.control.pipelines.repository import PipelineRepository
from modelyard.control.rest.pages import Page, PageQuery
from modelyard.control.rest.preconditions import check_version
from modelyard.kit.clock import Clock
from modelyard.kit.ids import check_name
from modelyard.storage.creations import Creation, Creations
from modelyard.storage.database import Connection, Database
from modelyard.types.pipelines.definitions import KindDescription, Pipeline, PipelineDefinition
from modelyard.types.pipelines.runs import PipelineGraph


class PipelineService:
    """Creates, shows, changes and deletes pipelines. Safe from any thread."""

    def __init__(
        self,
        *,
        database: Database,
        repository: PipelineRepository,
        creations: Creations,
        kinds: dict[str, KindDescription],
        clock: Clock,
    ) -> None:
        self._database = database
        self._repository = repository
        self._creations = creations
        self._clock = clock
        self.kinds = kinds

    def create(
        self,
        project: str,
        name: str,
        definition: PipelineDefinition,
        *,
        description: str = "",
        created_by: str,
        creation: Creation | None = None,
    ) -> Pipeline:
        """A new pipeline.

        Raises:
            NameInvalidError: the name is none.
            PipelineInvalidError: the definition cannot be run.
            PipelineExistsError: the name is taken.
        """
        check_name(name)
        checking.check(definition, self.kinds)
        now = self._clock.now()
        pipeline = Pipeline(
            project=project,
            name=name,
            description=description,
            definition=definition,
            created_at=now,
            updated_at=now,
            created_by=created_by,
        )
        with self._database.transaction() as connection:
            made = self._creations.replay(connection, creation)
            if made is not None:
                return self._found(connection, project, made)
            if self._repository.find(connection, project, name) is not None:
                raise PipelineExistsError(
                    f"There is a pipeline '{name}' already",
                    hint="Choose another name, or change that one: `modelyard pipelines create FILE --replace`.",
                    field="name",
                )
            self._repository.insert(connection, pipeline)
            self._creations.record(connection, creation, name)
        return pipeline

    def change(
        self,
        project: str,
        name: str,
        definition: PipelineDefinition,
        *,
        description: str,
        changed_by: str,
        expected_version: int | None,
    ) -> Pipeline:
        """Another definition under the same name; runs under way keep theirs.

        Raises:
            PipelineNotFoundError: there is none.
            PipelineInvalidError: the definition cannot be run.
            PreconditionFailedError: it is not at `expected_version` any more.
        """
        checking.check(definition, self.kinds)
        with self._database.transaction() as connection:
            before = self._found(connection, project, name)
            check_version(f"pipeline '{name}'", before.version, expected_version)
            after = replace(
                before,
                definition=definition,
                description=description,
                created_by=changed_by,
                updated_at=self._clock.now(),
                version=before.version + 1,
            )
            self._repository.save(connection, after)
            if after.definition.triggers != before.definition.triggers:
                self._repository.forget_marks(connection, project, name)
        return after

    def get(self, project: str, name: str) -> Pipeline:
        """A pipeline.

        Raises:
            PipelineNotFoundError: there is none.
        """
        with self._database.read() as connection:
            return self._found(connection, project, name)

    def graph(self, project: str, name: str) -> PipelineGraph:
        """Its steps and what waits for what.

        Raises:
            PipelineNotFoundError: there is none.
        """
        return graph_of(self.get(project, name).definition.steps)

    def list(self, project: str, page: PageQuery) -> Page[Pipeline]:
        """By name."""
        with self._database.read() as connection:
            found = self._repository.list(connection, project, page)
        return page.page(found, lambda pipeline: (pipeline.name,))

    def delete(self, project: str, name: str, expected_version: int | None) -> None:
        """Remove a pipeline; its runs stay, and those under way go on.

        Raises:
            PipelineNotFoundError: there is none.
            PreconditionFailedError: it is not at `expected_version` any more.
        """
        with self._database.transaction() as connection:
            check_version(f"pipeline '{name}'", self._found(connection, project, name).version, expected_version)
            self._repository.delete(connection, project, name)

    def needs_operator(self, definition: PipelineDefinition) -> bool:
        """Whether a run of it changes what is served."""
        known = (self.kinds.get(step.kind) for step in definition.steps.values())
        return any(kind is not None and kind.needs_operator for kind in known)

    def _found(self, connection: Connection, project: str, name: str) -> Pipeline:
        pipeline = self._repository.find(connection, project, name)
        if pipeline is None:
            raise PipelineNotFoundError(
                f"There is no pipeline '{name}' in project '{project}'", hint="`modelyard pipelines list` has them."
            )
        return pipeline
