"""Hyper-parameters that all table algorithms share."""

from modelyard.types.datasets import DatasetFormat
from modelyard.types.jobs import Hyperparameter, HyperparameterType

TABLE_FORMATS = (DatasetFormat.CSV.value, DatasetFormat.PARQUET.value)

CLASS_WEIGHT = Hyperparameter(
    name="class_weight",
    type=HyperparameterType.STRING,
    default="none",
    choices=("none", "balanced"),
    description="balanced: rare classes count as much as frequent ones.",
)
COMMON = (
    Hyperparameter(
        name="max_categories",
        type=HyperparameterType.INTEGER,
        default=32,
        minimum=2,
        maximum=1000,
        description="Most frequent values of a category column that are told apart; the rest count as one.",
    ),
    Hyperparameter(
        name="holdout_share",
        type=HyperparameterType.NUMBER,
        default=0.2,
        minimum=0.05,
        maximum=0.5,
        description="Share of the rows that never train and only judge; chosen by their content.",
    ),
)
