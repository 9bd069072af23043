"""The hyper-parameters of boosted trees, of whatever they learn."""

from modelyard.types.jobs import Hyperparameter, HyperparameterType

_INTEGER, _NUMBER = HyperparameterType.INTEGER, HyperparameterType.NUMBER

HYPERPARAMETERS = (
    Hyperparameter(
        name="rounds", type=_INTEGER, default=300, minimum=1, maximum=10_000, description="Most trees (per class)."
    ),
    Hyperparameter(
        name="early_stopping_rounds",
        type=_INTEGER,
        default=20,
        minimum=0,
        maximum=1000,
        description="Stop when a tenth of the rows, set aside, has not improved for so many rounds; 0 trains on all.",
    ),
    Hyperparameter(
        name="learning_rate",
        type=_NUMBER,
        default=0.1,
        minimum=0.001,
        maximum=1,
        description="How much each tree counts.",
    ),
    Hyperparameter(
        name="max_depth", type=_INTEGER, default=6, minimum=1, maximum=16, description="Questions a tree may ask."
    ),
    Hyperparameter(
        name="min_child_weight",
        type=_NUMBER,
        default=1.0,
        minimum=0,
        maximum=1e6,
        description="Least weight of rows in a leaf: larger values give simpler trees.",
    ),
    Hyperparameter(
        name="subsample",
        type=_NUMBER,
        default=1.0,
        minimum=0.05,
        maximum=1,
        description="Share of the rows that each tree sees.",
    ),
    Hyperparameter(
        name="colsample_bytree",
        type=_NUMBER,
        default=1.0,
        minimum=0.01,
        maximum=1,
        description="Share of the columns that each tree sees.",
    ),
    Hyperparameter(
        name="reg_lambda",
        type=_NUMBER,
        default=1.0,
        minimum=0,
        maximum=1e6,
        description="Pull of leaf values to zero.",
    ),
    Hyperparameter(
        name="schedule",
        type=HyperparameterType.STRING,
        default="",
        description='Changes on the way: [{"from": 100, "learning_rate": 0.05}] lowers the rate from round 100 on. All '
        "of the above but the rounds may change.",
    ),
)
