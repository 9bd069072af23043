"""MLflow's workspaces are the platform's projects."""

from mlflow.entities import Workspace
from mlflow.store.workspace.abstract_store import AbstractStore

from modelyard.facades.mlflow.platform import caller_client, in_mlflow_words
from modelyard.types.experiments.workspaces import workspace_of


class ProjectWorkspaces(AbstractStore):  # type: ignore[misc] # MLflow is not installed where types are checked
    """Entry point `mlflow.workspace_provider`. Makes and changes none: that is what projects are for."""

    def __init__(self, workspace_uri: str) -> None:
        del workspace_uri  # it says no more than that this class was meant

    @in_mlflow_words
    def list_workspaces(self) -> list[Workspace]:
        """One for each project that the caller can use."""
        with caller_client() as client:
            return [
                Workspace(name=workspace_of(project.name), description=project.description)
                for project in client.projects.list()
            ]

    def get_workspace(self, workspace_name: str) -> Workspace:
        """Asked with every request, whose project the proxy has checked."""
        return Workspace(name=workspace_name)

    def get_default_workspace(self) -> Workspace:
        """That of the project which every platform has; a request that came through the proxy has named another."""
        return Workspace(name="default")
