"""Each project is one of MLflow's workspaces: which is told by its name."""

import hashlib
import re

HEADER = "x-mlflow-workspace"
_FIT = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])")
_RESERVED = frozenset(("workspaces", "api", "ajax-api", "static-files"))


def workspace_of(project: str) -> str:
    """The name of a project's workspace: its own where MLflow allows that, else one made from it.

    Source: MLflow, `WorkspaceNameValidator`: 2 to 63 of a-z 0-9 -, some words reserved.
    """
    if _FIT.fullmatch(project) and project not in _RESERVED:
        return project
    return f"project-{hashlib.sha256(project.encode()).hexdigest()[:32]}"
