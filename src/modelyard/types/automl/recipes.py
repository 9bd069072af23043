"""What an AutoML job is asked."""

from dataclasses import dataclass
from enum import StrEnum

from modelyard.types.datasets import DatasetFormat

IMAGES = (DatasetFormat.NPZ, DatasetFormat.IMAGE_FOLDER)


class AutoMLTask(StrEnum):
    """What is to be learnt.

    AUTO: images are classified by their labels; of tables, classes if the target holds words, truth values or few
    different whole numbers, else numbers.
    """

    AUTO = "auto"
    CLASSIFICATION = "classification"
    REGRESSION = "regression"
    TEXT_CLASSIFICATION = "text-classification"
    IMAGE_CLASSIFICATION = "image-classification"
    FORECASTING = "forecasting"


class CandidateSource(StrEnum):
    """Who proposes hyper-parameters. AUTO: FLAML where it is installed, else the built-in search."""

    AUTO = "auto"
    BUILT_IN = "built-in"
    FLAML = "flaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoMLRecipe:
    """What an AutoML job is told beside its data and its target.

    Attributes:
        budget_seconds: from the start of its process to its end, the training of the winner included.
        task: what is to be learnt.
        objective: the figure that decides; empty: roc_auc for two classes, log_loss for more, rmse for numbers,
            mase for forecasts.
        source: who proposes candidates.
        max_candidates: it ends when so many have been tried; None: when the time is over.
        holdout_share: of the rows, chosen by their content, or of the time, its last part: it never trains, and the
            winner is measured on it.
        text: column of texts, for text classification; empty: the one that there is.
        autogluon: lock of an environment that has AutoGluon, by digest: it is a candidate too; empty: it is none.
        horizon: steps of time that are forecast.
        time_column: with the times, for forecasting; empty: the one column of times that there is.
        series_column: names the series of each row, for forecasting; empty: there is one series.
        is_estimate: it ends after the profile and the estimate, and trains no model to keep.
    """

    budget_seconds: float = 600.0
    task: AutoMLTask = AutoMLTask.AUTO
    objective: str = ""
    source: CandidateSource = CandidateSource.AUTO
    max_candidates: int | None = None
    holdout_share: float = 0.2
    is_estimate: bool = False
    text: str = ""
    autogluon: str = ""
    horizon: int = 0
    time_column: str = ""
    series_column: str = ""
