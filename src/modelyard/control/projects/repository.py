"""All SQL of projects."""

from dataclasses import fields

from sqlalchemy import Connection, delete, insert, select, update

from modelyard.control.projects.tables import projects
from modelyard.control.rest.pages import PageQuery
from modelyard.storage.keyset import keyset
from modelyard.types.access import Project


class ProjectRepository:
    """Rows of `projects` as Project."""

    def get(self, connection: Connection, name: str) -> Project | None:
        """A project, if there is one of this name."""
        row = connection.execute(select(projects).where(projects.c.name == name)).mappings().one_or_none()
        return None if row is None else Project(**row)

    def list(self, connection: Connection, only: str | None, page: PageQuery) -> list[Project]:
        """Projects by name; just `only` if it is given."""
        statement = select(projects)
        if only is not None:
            statement = statement.where(projects.c.name == only)
        statement = keyset(statement, [projects.c.name], page.after, page.limit)
        return [Project(**row) for row in connection.execute(statement).mappings()]

    def insert(self, connection: Connection, project: Project) -> None:
        """Add a project; its name must be free."""
        connection.execute(insert(projects).values(_columns(project)))

    def update(self, connection: Connection, project: Project) -> None:
        """Replace what may change."""
        connection.execute(update(projects).where(projects.c.name == project.name).values(_columns(project)))

    def delete(self, connection: Connection, name: str) -> None:
        """Remove a project."""
        connection.execute(delete(projects).where(projects.c.name == name))


def _columns(project: Project) -> dict[str, object]:
    return {field.name: getattr(project, field.name) for field in fields(project)}
