"""The few calls of MLflow's REST API with which jobs are logged, over the server's socket."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from modelyard.control.experiments.errors import TrackingRefusedError, TrackingUnavailableError
from modelyard.kit.unix_sockets import listens
from modelyard.types.experiments.workspaces import HEADER, workspace_of

_API = "http://mlflow/api/2.0/mlflow"
_SECONDS = 60.0


class TrackingClient:
    """Use as a context manager. Raises TrackingUnavailableError when nobody answers, TrackingRefusedError else."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._http = httpx.Client(transport=httpx.HTTPTransport(uds=str(socket), verify=False), timeout=_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def experiment(self, project: str, name: str) -> str:
        """The id of the experiment of this name, made if there is none."""
        found = self._post(project, "experiments/search", {"filter": f"name = '{name}'", "max_results": 1})
        if experiments := found.get("experiments"):
            return str(experiments[0]["experiment_id"])
        return str(self._post(project, "experiments/create", {"name": name})["experiment_id"])

    def find_run(self, project: str, experiment: str, tags: Mapping[str, str]) -> str | None:
        """The run that has these tags, if there is one."""
        condition = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
        body = {"experiment_ids": [experiment], "filter": condition, "max_results": 1}
        runs = self._post(project, "runs/search", body).get("runs", [])
        return str(runs[0]["info"]["run_id"]) if runs else None

    def create_run(self, project: str, experiment: str, name: str, start: int, tags: Mapping[str, str]) -> str:
        """A new run, its id; `start` in milliseconds since 1970."""
        pairs = [{"key": key, "value": value} for key, value in tags.items()]
        body = {"experiment_id": experiment, "run_name": name, "start_time": start, "tags": pairs}
        return str(self._post(project, "runs/create", body)["run"]["info"]["run_id"])

    def log_batch(
        self,
        project: str,
        run: str,
        *,
        metrics: Sequence[Mapping[str, Any]] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """At most 1,000 metrics and 100 parameters."""
        body = {
            "run_id": run,
            "metrics": list(metrics),
            "params": [{"key": key, "value": value} for key, value in (params or {}).items()],
            "tags": [{"key": key, "value": value} for key, value in (tags or {}).items()],
        }
        self._post(project, "runs/log-batch", body)

    def log_datasets(self, project: str, run: str, datasets: Sequence[Mapping[str, Any]]) -> None:
        """What the run has read."""
        self._post(project, "runs/log-inputs", {"run_id": run, "datasets": list(datasets)})

    def end_run(self, project: str, run: str, status: str, end: int) -> None:
        """FINISHED, FAILED or KILLED."""
        self._post(project, "runs/update", {"run_id": run, "status": status, "end_time": end})

    def _post(self, project: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._call(project, "POST", path, json=body)

    def _call(self, project: str, method: str, path: str, **what: Any) -> dict[str, Any]:
        if not listens(self._socket):
            raise _unavailable(f"MLflow's server does not answer at {self._socket}")
        try:
            answer = self._http.request(method, f"{_API}/{path}", headers={HEADER: workspace_of(project)}, **what)
        except httpx.HTTPError as error:
            raise _unavailable(f"MLflow's server does not answer: {error!r}") from error
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise _unavailable(f"MLflow's server failed at {path}: {answer.text[:300]}")
        content: dict[str, Any] = answer.json()
        if answer.is_error:
            raise TrackingRefusedError(
                f"MLflow's server refused {path}: {content.get('message', '')[:300]}",
                hint="What was sent does not fit its rules; the job itself is not touched.",
            )
        return content


def _unavailable(message: str) -> TrackingUnavailableError:
    return TrackingUnavailableError(message, hint="It is tried again; the log `mlflow.log` says more.")
