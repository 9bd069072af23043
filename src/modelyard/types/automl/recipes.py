"""What an AutoML job is asked."""

from dataclasses import dataclass
from enum import StrEnum


class AutoMLTask(StrEnum):
    """What is to be learnt. AUTO: classes if the target holds words, truth values or few different whole numbers."""

    AUTO = "auto"
    CLASSIFICATION = "classification"
    REGRESSION = "regression"


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
        objective: the figure that decides; empty: roc_auc for two classes, log_loss for more, rmse for numbers.
        source: who proposes candidates.
        max_candidates: it ends when so many have been tried; None: when the time is over.
        holdout_share: of the rows, chosen by their content: none of them trains, and the winner is measured on them.
        is_estimate: it ends after the profile and the estimate, and trains no model to keep.
    """

    budget_seconds: float = 600.0
    task: AutoMLTask = AutoMLTask.AUTO
    objective: str = ""
    source: CandidateSource = CandidateSource.AUTO
    max_candidates: int | None = None
    holdout_share: float = 0.2
    is_estimate: bool = False
