"""AutoML jobs: a good model of a table, of texts, of images or of time series within a time."""

from modelyard.sdk.calls import Mode, call
from modelyard.sdk.resource import JOBS, read, send
from modelyard.sdk.resources.compute.waiting import JobCalls, OnLook, channels_of, room_of
from modelyard.sdk.steps import Flow, Request
from modelyard.types.automl.recipes import AutoMLTask, CandidateSource
from modelyard.types.automl.reports import AutoMLReport
from modelyard.types.compute.scheduling import Placement
from modelyard.types.jobs import Job
from modelyard.types.processes import Resources


class AutoML(JobCalls[Mode]):
    """Looks for a good model. The jobs are jobs like any other: `client.jobs` stops them and has their logs."""

    @call
    def start(
        self,
        data: str,
        *,
        target: str | None = None,
        model: str | None = None,
        budget_seconds: float = 600,
        task: AutoMLTask | str = AutoMLTask.AUTO,
        text: str = "",
        horizon: int = 0,
        time_column: str = "",
        series_column: str = "",
        objective: str = "",
        source: CandidateSource | str = CandidateSource.AUTO,
        max_candidates: int | None = None,
        holdout_share: float = 0.2,
        autogluon: str = "",
        estimate_only: bool = False,
        seed: int = 0,
        resources: Resources | None = None,
        placement: Placement | None = None,
        wait: bool = False,
        timeout_seconds: float | None = None,
        on_look: OnLook | None = None,
    ) -> Flow[Job]:
        """Find a good model within `budget_seconds`, and register it as the next version of `model`.

        Args:
            data: a dataset ("houses", or "houses:2" for a version).
            target: column to predict; images need none.
            model: name that the winner is registered under; not needed for an estimate.
            budget_seconds: from the start of the job's process to its end.
            task: "auto", "classification", "regression", "text-classification", "image-classification", "forecasting".
            text: column of texts, for text classification; "": the one that there is.
            horizon: steps of time to forecast, for forecasting.
            time_column: column with the times, for forecasting; "": the one that there is.
            series_column: column that names the series of each row, for forecasting; "": there is one series.
            objective: figure that decides; "": roc_auc for two classes, log_loss for more, rmse or, of series, mase.
            source: who proposes hyper-parameters: "flaml", "built-in", or "auto".
            max_candidates: end when so many have been tried.
            holdout_share: of the rows, or of the time its last part: none of it trains, the winner is measured on it.
            autogluon: an environment that has AutoGluon: it is compared, and not deployed; "": it takes no part.
            estimate_only: end after the profile and the estimate of what can be expected.
            seed: seeds every random choice.
            resources: limits of the job.
            placement: queue, priority, spot, ...
            wait: come back when the job has ended, and fail if it failed.
            timeout_seconds: how long to wait; None waits for ever.
            on_look: called with the job whenever the waiting looked at it.

        Raises:
            InvalidInputError: no such column, an objective that does not fit, ...: the message says which.
            WaitFailedError: `wait` was asked for and the job did not complete.
        """
        what = {"data": channels_of(data)["train"], "target": target, "model": model, "task": task, "text": text}
        series = {"horizon": horizon, "time_column": time_column, "series_column": series_column}
        how = {"budget_seconds": budget_seconds, "objective": objective, "source": source, "autogluon": autogluon}
        until = {"max_candidates": max_candidates, "holdout_share": holdout_share, "estimate_only": estimate_only}
        body = {**what, **series, **how, **until, "seed": seed, **room_of(resources, placement)}
        return self._submitted("automl-jobs", body, wait=wait, timeout_seconds=timeout_seconds, on_look=on_look)

    @call
    def report(self, id: str) -> Flow[AutoMLReport]:
        """Profile, estimate and candidates, also while the job runs; `report.leaderboard()` has the best first."""
        return read(AutoMLReport, self._path(JOBS, "automl-jobs", id, "report"))

    @call
    def script(self, id: str) -> Flow[str]:
        """A Python program that trains the winner anew, to the byte."""
        response = yield from send(Request(method="GET", path=self._path(JOBS, "automl-jobs", id, "script")))
        return response.content.decode()
