"""Experiments: what MLflow's client needs to find them, and a first look at them without it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from modelyard.errors import NotFoundError
from modelyard.sdk.calls import Driver, Mode, Pages, call, listing
from modelyard.sdk.connection import Connection
from modelyard.sdk.resource import JOBS, Resource, at, decode, encode, read, send
from modelyard.sdk.steps import Flow, Request
from modelyard.types.experiments.tracking import Experiment, Run, TrackingServerState
from modelyard.types.experiments.workspaces import workspace_of

_MLFLOW = "/mlflow"
_API = f"{_MLFLOW}/api/2.0/mlflow"
_PAGE_SIZE = 200
_START_SECONDS = 150.0  # the first request waits until MLflow's server has been started


class ExperimentNotFoundError(NotFoundError):
    """No experiment has this name."""

    code = "experiment_not_found"


class _Pair(msgspec.Struct):
    key: str
    value: Any = ""


class _Experiment(msgspec.Struct):
    experiment_id: str
    name: str
    creation_time: int = 0
    last_update_time: int = 0


class _Info(msgspec.Struct):
    run_id: str
    status: str
    run_name: str = ""
    start_time: int | None = None
    end_time: int | None = None


class _Data(msgspec.Struct):
    metrics: list[_Pair] = []
    params: list[_Pair] = []
    tags: list[_Pair] = []


class _Run(msgspec.Struct):
    info: _Info
    data: _Data = msgspec.field(default_factory=_Data)


class _Found(msgspec.Struct):
    experiments: list[_Experiment] = []
    runs: list[_Run] = []
    next_page_token: str | None = None


class Experiments(Resource[Mode]):
    """MLflow's experiments and runs of the project. For all else there is MLflow's client, which needs `environment()`.

    Needs the extra `mlflow` where the platform runs. The first call waits until MLflow's server has been started.
    """

    def __init__(self, driver: Driver, project: str, connection: Connection) -> None:
        super().__init__(driver, project)
        self._connection = connection

    @property
    def tracking_uri(self) -> str:
        """For `mlflow.set_tracking_uri`, and the address of MLflow's pages."""
        return self._connection.address(_MLFLOW)

    def environment(self) -> dict[str, str]:
        """The variables with which MLflow's client works in this project. The token is among them."""
        return {
            "MLFLOW_TRACKING_URI": self.tracking_uri,
            "MLFLOW_TRACKING_TOKEN": self._connection.token,
            "MLFLOW_WORKSPACE": workspace_of(self._project),
        }

    @call
    def server(self) -> Flow[TrackingServerState]:
        """How MLflow's server stands; does not start it."""
        return read(TrackingServerState, at(JOBS, "experiments", "server"))

    @listing
    def list(self) -> Pages[Experiment]:
        """Experiments, the newest first."""

        def fetch(cursor: str | None) -> Flow[tuple[list[Experiment], str | None]]:
            found = yield from self._search("experiments", {"order_by": ["creation_time DESC"]}, cursor)
            return [_experiment(each) for each in found.experiments], found.next_page_token or None

        return Pages(fetch)

    @listing
    def runs(self, experiment: str, *, filter: str = "") -> Pages[Run]:
        """Runs of an experiment, the newest first.

        Args:
            experiment: its name.
            filter: in MLflow's language: "metrics.loss < 0.1 and params.depth = '3'".

        Raises:
            ExperimentNotFoundError: there is none of this name.
        """

        def fetch(cursor: str | None) -> Flow[tuple[list[Run], str | None]]:
            quote = '"' if "'" in experiment else "'"
            known = yield from self._search("experiments", {"filter": f"name = {quote}{experiment}{quote}"}, None)
            if not known.experiments:
                raise ExperimentNotFoundError(
                    f"there is no experiment '{experiment}' in project '{self._project}'",
                    hint="`modelyard experiments list` shows those that there are.",
                )
            ids = [known.experiments[0].experiment_id]
            found = yield from self._search("runs", {"experiment_ids": ids, "filter": filter}, cursor)
            return [_run(each) for each in found.runs], found.next_page_token or None

        return Pages(fetch)

    def _search(self, what: str, body: Mapping[str, object], cursor: str | None) -> Flow[_Found]:
        complete = {"max_results": _PAGE_SIZE, **body} | ({"page_token": cursor} if cursor else {})
        headers = {"Content-Type": "application/json", "X-MLFLOW-WORKSPACE": self._project}
        request = Request(
            method="POST",
            path=f"{_API}/{what}/search",
            headers=headers,
            content=encode(complete),
            timeout_seconds=_START_SECONDS,
        )
        response = yield from send(request)
        return decode(response.content, _Found)


def _experiment(found: _Experiment) -> Experiment:
    return Experiment(
        id=found.experiment_id,
        name=found.name,
        created_at=_time(found.creation_time),
        updated_at=_time(found.last_update_time),
    )


def _run(found: _Run) -> Run:
    info, data = found.info, found.data
    return Run(
        id=info.run_id,
        name=info.run_name,
        status=info.status,
        started_at=_time(info.start_time) if info.start_time else None,
        ended_at=_time(info.end_time) if info.end_time else None,
        metrics={pair.key: float(pair.value) for pair in data.metrics},
        params={pair.key: pair.value for pair in data.params},
        tags={pair.key: pair.value for pair in data.tags},
    )


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
