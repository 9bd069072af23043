"""Each project is one of MLflow's workspaces: which is told by its name."""

import hashlib
import re

HEADER = "x-mlflow-workspace"
_PREFIX = "project-"
_FIT = re.compile(rf"(?!{_PREFIX})[a-z0-9](?:[-a-z0-9]{{0,61}}[a-z0-9])")
_RESERVED = frozenset(("workspaces", "api", "ajax-api", "static-files"))
_ESCAPES = {".": "-d", "_": "-u", "-": "-m"}
_PLAIN = {escape: plain for plain, escape in _ESCAPES.items()}
_LONGEST = 63


def workspace_of(project: str) -> str:
    """The name of a project's workspace: its own where MLflow allows that, else one made from it.

    Source: MLflow, `WorkspaceNameValidator`: 2 to 63 of a-z 0-9 -, some words reserved.
    """
    if _FIT.fullmatch(project) and project not in _RESERVED:
        return project
    spelled = _PREFIX + "".join(_ESCAPES.get(character, character) for character in project)
    if len(spelled) <= _LONGEST:
        return spelled
    return f"{_PREFIX}-{hashlib.sha256(project.encode()).hexdigest()[:32]}"


def project_of(workspace: str) -> str:
    """The project that a caller means by a workspace's name, or by the project's own.

    A digest tells no name: of projects with very long names only their own tokens find the workspace.
    """
    if not workspace.startswith(_PREFIX):
        return workspace
    project = re.sub("-[dum]", lambda found: _PLAIN[found[0]], workspace.removeprefix(_PREFIX))
    return project if workspace_of(project) == workspace else workspace
