"""Request body of AutoML jobs."""

from pydantic import Field

from modelyard.control.jobs.schemas import ChannelRequest, LimitedRequest
from modelyard.types.automl.recipes import AutoMLRecipe, AutoMLTask, CandidateSource
from modelyard.types.jobs import JobKind, JobRecipe


class AutoMLJobRequest(LimitedRequest):
    """Find a good model of a table, of texts, of images or of time series within a time, and register it."""

    data: ChannelRequest = Field(description="The table, or the images.", examples=[{"dataset": "houses"}])
    target: str | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description="Column to predict; null for images, which have their labels.",
        examples=["price"],
    )
    model: str | None = Field(
        default=None, description="Model that gets the winner as its next version; null only for an estimate."
    )
    budget_seconds: float = Field(
        default=600, ge=30, le=7 * 86400, description="From the start of the job's process to its end."
    )
    task: AutoMLTask = Field(default=AutoMLTask.AUTO, description="What is to be learnt.")
    text: str = Field(
        default="", max_length=1000, description="Column of texts, for text classification; empty: the one there is."
    )
    horizon: int = Field(default=0, ge=0, le=1000, description="Steps of time to forecast; for forecasting only.")
    time_column: str = Field(
        default="", max_length=1000, description="Column with the times, for forecasting; empty: the one there is."
    )
    series_column: str = Field(
        default="",
        max_length=1000,
        description="Column that names the series of each row, for forecasting; empty: there is one series.",
    )
    objective: str = Field(
        default="",
        max_length=40,
        description="Figure that decides; empty: roc_auc for two classes, log_loss for more, rmse for numbers, mase "
        "for forecasts.",
        examples=["accuracy"],
    )
    source: CandidateSource = Field(default=CandidateSource.AUTO, description="Who proposes hyper-parameters.")
    max_candidates: int | None = Field(default=None, ge=1, le=5000, description="End when so many have been tried.")
    holdout_share: float = Field(
        default=0.2,
        ge=0.05,
        le=0.5,
        description="Of the rows, or of the time its last part: none of it trains, the winner is measured on it.",
    )
    autogluon: str = Field(
        default="",
        max_length=100,
        description="Environment that has AutoGluon, to compare with; empty: none.",
        examples=["autogluon"],
    )
    estimate_only: bool = Field(default=False, description="End after the profile and the estimate.")
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="Seeds every random choice.")

    def recipe(self) -> JobRecipe:
        """As plain data."""
        return JobRecipe(
            algorithm=JobKind.AUTOML.value,
            channels={"train": self.data.ref()},
            target=self.target,
            seed=self.seed,
            automl=AutoMLRecipe(
                budget_seconds=self.budget_seconds,
                task=self.task,
                objective=self.objective,
                source=self.source,
                max_candidates=self.max_candidates,
                holdout_share=self.holdout_share,
                is_estimate=self.estimate_only,
                text=self.text,
                horizon=self.horizon,
                time_column=self.time_column,
                series_column=self.series_column,
            ),
        )
