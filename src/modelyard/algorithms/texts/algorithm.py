"""Text classification: frequent words and runs of characters, and a linear model of them, by scikit-learn."""

from collections.abc import Mapping

from modelyard.algorithms.base import Algorithm, Channel, TrainingContext
from modelyard.algorithms.tables.parameters import CLASS_WEIGHT, TABLE_FORMATS
from modelyard.types.jobs import AlgorithmDescription, Hyperparameter, HyperparameterType
from modelyard.types.models import Task
from modelyard.types.signatures import Scalar

_INTEGER, _NUMBER, _STRING = HyperparameterType.INTEGER, HyperparameterType.NUMBER, HyperparameterType.STRING

HYPERPARAMETERS = (
    Hyperparameter(
        name="text_column",
        type=_STRING,
        default="",
        description="Column with the texts; empty: the one column of texts that the table has.",
    ),
    Hyperparameter(
        name="features",
        type=_STRING,
        default="both",
        choices=("words", "characters", "both"),
        description="What is counted: words, which carry the sense; runs of characters, which forgive spelling; both.",
    ),
    Hyperparameter(
        name="longest_words", type=_INTEGER, default=2, minimum=1, maximum=4, description="Words in a row, at most."
    ),
    Hyperparameter(
        name="longest_characters",
        type=_INTEGER,
        default=4,
        minimum=2,
        maximum=6,
        description="Characters in a row, at most; two at least.",
    ),
    Hyperparameter(
        name="vocabulary",
        type=_INTEGER,
        default=10_000,
        minimum=10,
        maximum=100_000,
        description="Most frequent words, and as many runs of characters, that are told apart.",
    ),
    Hyperparameter(
        name="method",
        type=_STRING,
        default="logistic",
        choices=("logistic", "naive-bayes"),
        description="logistic: the better with many rows, and honest probabilities. naive-bayes: quick, strong with "
        "few rows.",
    ),
    Hyperparameter(
        name="regularisation",
        type=_NUMBER,
        default=0.1,
        minimum=1e-6,
        maximum=1e6,
        description="Pull of the weights to zero, or to equal chances: larger values give simpler models.",
    ),
    Hyperparameter(
        name="holdout_share",
        type=_NUMBER,
        default=0.2,
        minimum=0.05,
        maximum=0.5,
        description="Share of the rows that never train and only judge; chosen by their content.",
    ),
)


class TextClassification(Algorithm):
    """See the module."""

    description = AlgorithmDescription(
        name="text-classification",
        task=Task.TEXT_CLASSIFICATION,
        description="Learns the class of texts in a column of a table by the words and characters in them: trains in "
        "seconds, answers in less than a millisecond, and is a baseline that anything else must beat.",
        input_formats=TABLE_FORMATS,
        hyperparameters=(*HYPERPARAMETERS, CLASS_WEIGHT),
        metrics=("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "roc_auc"),
        objective="accuracy",
    )

    def train(
        self, channels: Mapping[str, Channel], hyperparameters: Mapping[str, Scalar], context: TrainingContext
    ) -> None:
        """Train on a CSV or Parquet table whose column `context.target` holds the class; see the base.

        Raises:
            TargetNotFoundError: the table has no such column.
            TargetInvalidError: fewer than two classes, too many, or numbers.
            ColumnsInvalidError: it has no column of texts, or several and none is named.
            TooFewRowsError: fewer than 20 rows with a target.
        """
        from modelyard.algorithms.texts.training import train  # noqa: PLC0415 - scikit-learn takes two seconds

        train(channels, hyperparameters, self.description.name, context)
