"""Rules of projects."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from modelyard.control.projects.errors import ProjectExistsError, ProjectNotEmptyError, QuotaExceededError
from modelyard.control.projects.repository import ProjectRepository
from modelyard.control.rest.guard import ProjectNotFoundError
from modelyard.control.rest.pages import Page, PageQuery
from modelyard.control.rest.preconditions import check_version
from modelyard.kit.clock import Clock
from modelyard.kit.ids import check_name
from modelyard.storage.creations import Creation, Creations
from modelyard.storage.database import Database
from modelyard.types.access import Principal, Project
from modelyard.types.compute.scheduling import Quota, QuotaUse

DEFAULT_PROJECT = "default"


class ProjectService:
    """Creates, shows, changes and deletes projects.

    Args:
        database: of the registry.
        repository: the SQL.
        creations: idempotency keys.
        emptiness_probes: what a project may hold ("models", "tokens") -> whether project `name` holds none of it.
        clock: for times.
        stored_bytes: each tells how much of something a project stores.
    """

    def __init__(
        self,
        database: Database,
        repository: ProjectRepository,
        creations: Creations,
        emptiness_probes: Mapping[str, Callable[[str], bool]],
        clock: Clock,
        stored_bytes: Sequence[Callable[[str], int]] = (),
    ) -> None:
        self._database = database
        self._repository = repository
        self._creations = creations
        self._emptiness_probes = emptiness_probes
        self._clock = clock
        self._stored_bytes = stored_bytes

    def ensure_default(self) -> None:
        """Make the project `default` if no project was ever made (it may be deleted when others exist)."""
        with self._database.transaction() as connection:
            if not self._repository.list(connection, None, PageQuery(limit=1)):
                self._repository.insert(connection, self._new(DEFAULT_PROJECT, "Made at the first start."))

    def exists(self, name: str) -> bool:
        """True if there is such a project."""
        with self._database.read() as connection:
            return self._repository.get(connection, name) is not None

    def get(self, name: str) -> Project:
        """A project.

        Raises:
            ProjectNotFoundError: there is none.
        """
        with self._database.read() as connection:
            return self._found(self._repository.get(connection, name), name)

    def list(self, principal: Principal, page: PageQuery) -> Page[Project]:
        """The projects that this caller can use, by name."""
        with self._database.read() as connection:
            return page.page(self._repository.list(connection, principal.project, page), lambda item: (item.name,))

    def create(self, name: str, description: str, creation: Creation | None) -> Project:
        """A new project.

        Raises:
            NameInvalidError: not a valid name.
            ProjectExistsError: the name is taken.
        """
        check_name(name)
        with self._database.transaction() as connection:
            made = self._creations.replay(connection, creation)
            if made is not None:
                return self._found(self._repository.get(connection, made), made)
            if self._repository.get(connection, name) is not None:
                raise ProjectExistsError(
                    f"There is a project '{name}' already", hint="Choose another name.", field="name"
                )
            project = self._new(name, description)
            self._repository.insert(connection, project)
            self._creations.record(connection, creation, name)
            return project

    def update(self, name: str, description: str, expected_version: int | None) -> Project:
        """Change the description.

        Raises:
            ProjectNotFoundError: there is none.
            PreconditionFailedError: it is not at `expected_version` any more.
        """
        with self._database.transaction() as connection:
            project = self._found(self._repository.get(connection, name), name)
            check_version(f"project '{name}'", project.version, expected_version)
            changed = replace(
                project, description=description, updated_at=self._clock.now(), version=project.version + 1
            )
            self._repository.update(connection, changed)
            return changed

    def permit_code(self, name: str, reason: str) -> Project:
        """Let models that are programs be registered from now on; an empty reason takes the leave back.

        Raises:
            ProjectNotFoundError: there is none.
        """
        with self._database.transaction() as connection:
            project = self._found(self._repository.get(connection, name), name)
            changed = replace(
                project, code_permission=reason, updated_at=self._clock.now(), version=project.version + 1
            )
            self._repository.update(connection, changed)
            return changed

    def permits_code(self, name: str) -> bool:
        """True if models that are programs may be registered in this project."""
        with self._database.read() as connection:
            project = self._repository.get(connection, name)
        return project is not None and bool(project.code_permission)

    def set_quota(self, name: str, quota: Quota) -> Project:
        """Limit what a project may have. What it has already stays.

        Raises:
            ProjectNotFoundError: there is none.
        """
        with self._database.transaction() as connection:
            project = self._found(self._repository.get(connection, name), name)
            changed = replace(project, quota=quota, updated_at=self._clock.now(), version=project.version + 1)
            self._repository.update(connection, changed)
            return changed

    def set_idle_after(self, name: str, hours: float | None) -> Project:
        """Let endpoints rest that nobody has asked for so long; 0: never, None: as the platform has it.

        Raises:
            ProjectNotFoundError: there is none.
        """
        with self._database.transaction() as connection:
            project = self._found(self._repository.get(connection, name), name)
            changed = replace(
                project, idle_after_hours=hours, updated_at=self._clock.now(), version=project.version + 1
            )
            self._repository.update(connection, changed)
            return changed

    def idle_after_hours(self, name: str) -> float | None:
        """What the project says of it; None also if there is no such project."""
        with self._database.read() as connection:
            project = self._repository.get(connection, name)
        return None if project is None else project.idle_after_hours

    def usage(self, name: str) -> Sequence[QuotaUse]:
        """What a project stores, beside what it may.

        Raises:
            ProjectNotFoundError: there is none.
        """
        limit = self.get(name).quota.storage_bytes
        return [QuotaUse(name="storage_bytes", used=self._stored(name), limit=limit)]

    def quota(self, name: str) -> Quota:
        """A project's quota; no limit at all if there is no such project."""
        with self._database.read() as connection:
            project = self._repository.get(connection, name)
        return Quota() if project is None else project.quota

    def check_storage(self, name: str, more_bytes: int) -> None:
        """Nothing if a project may store that much more.

        Raises:
            QuotaExceededError: it may not.
        """
        limit = self.quota(name).storage_bytes
        if limit is None:
            return
        stored = self._stored(name)
        if stored + more_bytes > limit:
            raise QuotaExceededError(
                f"Project '{name}' may store {limit} bytes, has {stored} and would have {stored + more_bytes}",
                hint="Delete datasets or models, or let an administrator raise the quota: modelyard project quota.",
            )

    def delete(self, name: str, expected_version: int | None) -> None:
        """Remove an empty project.

        Raises:
            ProjectNotFoundError: there is none.
            ProjectNotEmptyError: it still holds something; the message says what.
            PreconditionFailedError: it is not at `expected_version` any more.
        """
        held = [what for what, is_empty in self._emptiness_probes.items() if not is_empty(name)]
        with self._database.transaction() as connection:
            project = self._found(self._repository.get(connection, name), name)
            check_version(f"project '{name}'", project.version, expected_version)
            if held:
                raise ProjectNotEmptyError(
                    f"Project '{name}' still holds {', '.join(held)}", hint="Delete them first, then the project."
                )
            self._repository.delete(connection, name)

    def _stored(self, name: str) -> int:
        return sum(measure(name) for measure in self._stored_bytes)

    def _new(self, name: str, description: str) -> Project:
        now = self._clock.now()
        return Project(name=name, description=description, created_at=now, updated_at=now, version=1)

    @staticmethod
    def _found(project: Project | None, name: str) -> Project:
        if project is None:
            raise ProjectNotFoundError(
                f"There is no project '{name}'", hint="GET /registry/v1/projects lists the projects you can use."
            )
        return project
