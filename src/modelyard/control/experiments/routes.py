"""Which of MLflow's routes are offered, and what a caller must be allowed for each.

A list of what is offered, not of what is refused: MLflow grows routes that run code, call other servers or keep
credentials (its gateway, jobs, webhooks, assistant), and none of them shall come in with an upgrade.
"""

import re

from modelyard.control.experiments.errors import TrackingRouteError
from modelyard.types.access import Action

_API = re.compile(r"/(?:ajax-)?api/[23]\.0/(?P<rest>.+)")
_FAMILIES = re.compile(
    r"mlflow/(?:experiments|runs|metrics|artifacts|logged-models|traces|datasets|registered-models|model-versions)"
    r"(?:/.*)?"
    r"|mlflow/(?:server-info|server-features|workspaces|workspaces/[^/]+|unified-traces|get-online-trace-details"
    r"|get-trace-artifact|upload-artifact|ui-telemetry)"
    r"|mlflow-artifacts/artifacts(?:/.*)?"
)
_READING_POSTS = re.compile(
    r"mlflow/(?:experiments|runs|datasets|traces|logged-models)/search"
    r"|mlflow/experiments/search-datasets"
    r"|mlflow/registered-models/get-latest-versions"
    r"|mlflow/traces/(?:metrics|batchGetInfos|calculate-filter-correlation|search)"
    r"|mlflow/artifacts/presigned-download-url"
)
_PAGES = re.compile(r"/|/static-files/.+|/get-artifact|/model-versions/get-artifact|/version|/health")
_READING = ("GET", "HEAD")
SERVER_INFO = {"store_type": "SqlStore", "workspaces_enabled": True, "trace_archival_enabled": False}
"""What MLflow's server says of itself, as it is run here."""


def action_of(method: str, path: str) -> Action:
    """What a request must be allowed to do; `path` starts after `/mlflow`.

    Raises:
        TrackingRouteError: it is not offered.
    """
    found = _API.fullmatch(path)
    rest = found["rest"] if found else ""
    if method in _READING and _PAGES.fullmatch(path):
        return Action.READ
    if path == "/graphql" and method in (*_READING, "POST"):
        return Action.READ  # its one mutation echoes
    if (
        ".." in rest.split("/")
        or not _FAMILIES.fullmatch(rest)
        or (rest.startswith("mlflow/workspaces") and method not in _READING)
    ):
        raise TrackingRouteError(
            f"MLflow's {method} {path[:200]} is not offered here",
            hint="Offered are experiments, runs, metrics, artifacts, models, traces and datasets. Workspaces are "
            "projects: `modelyard project create` makes one.",
        )
    if method in _READING or (method == "POST" and _READING_POSTS.fullmatch(rest)):
        return Action.READ
    return Action.WRITE


def is_server_info(path: str) -> bool:
    """Whether a request asks what the server can do. MLflow's client waits 3 s for that: less than a start takes."""
    found = _API.fullmatch(path)
    return found is not None and found["rest"] == "mlflow/server-info"


def is_removal(method: str, path: str) -> bool:
    """Whether a request takes something away: such requests get an entry in the audit, a metric that is logged none."""
    found = _API.fullmatch(path)
    if found is None:
        return False
    return method == "DELETE" or (method == "POST" and bool(re.search(r"/(?:delete(?:-traces)?|restore)$", path)))
