"""Hyper-parameters of the forecasting algorithms."""

from modelyard.types.jobs import Hyperparameter, HyperparameterType

_INTEGER, _NUMBER, _STRING = HyperparameterType.INTEGER, HyperparameterType.NUMBER, HyperparameterType.STRING
_BOOLEAN = HyperparameterType.BOOLEAN

METRICS = ("mase", "smape", "rmse", "mae", "coverage_80")

SHARED = (
    Hyperparameter(
        name="horizon", type=_INTEGER, default=1, minimum=1, maximum=1000, description="Steps that are forecast."
    ),
    Hyperparameter(
        name="time_column",
        type=_STRING,
        default="",
        description="Column with the times, or with whole numbers that count steps; empty: the one column of times.",
    ),
    Hyperparameter(
        name="series_column",
        type=_STRING,
        default="",
        description="Column that names the series of each row; empty: there is one series.",
    ),
    Hyperparameter(
        name="window",
        type=_INTEGER,
        default=0,
        minimum=0,
        maximum=5000,
        description="Last values that a forecast is made from; 0: two or three of the longest season that fits.",
    ),
    Hyperparameter(
        name="holdout_share",
        type=_NUMBER,
        default=0.2,
        minimum=0.05,
        maximum=0.5,
        description="Share of the time that never trains and only judges: the last part.",
    ),
)
TRANSFORM = Hyperparameter(
    name="transform",
    type=_STRING,
    default="none",
    choices=("none", "log"),
    description="log: forecast logarithms, for swings that grow with the level; all values must be above 0.",
)
SEASON = Hyperparameter(
    name="season",
    type=_INTEGER,
    default=0,
    minimum=0,
    maximum=2500,
    description="Steps of a season; 1: none, 0: the shortest one of the frequency.",
)
REPEATS = Hyperparameter(
    name="repeats", type=_INTEGER, default=1, minimum=1, maximum=10, description="Last seasons whose mean it is."
)
TREND = Hyperparameter(
    name="trend",
    type=_STRING,
    default="damped",
    choices=("none", "additive", "damped"),
    description="Whether a trend goes on, and whether it fades.",
)
CONTEXT = Hyperparameter(
    name="context",
    type=_INTEGER,
    default=0,
    minimum=0,
    maximum=5000,
    description="Last values that are looked at, beside the same times of earlier seasons; 0: one season.",
)
SEASONAL = Hyperparameter(
    name="seasonal", type=_BOOLEAN, default=True, description="Look at the same times of the last seasons as well."
)
REGULARISATION = Hyperparameter(
    name="regularisation",
    type=_NUMBER,
    default=10.0,
    minimum=1e-6,
    maximum=1e6,
    description="Pull of the weights to zero.",
)
DIFFERENCES = Hyperparameter(
    name="differences",
    type=_BOOLEAN,
    default=True,
    description="Learn what differs from the same time of the last season, not the value itself.",
)
MEMBERS = Hyperparameter(
    name="members",
    type=_STRING,
    default="",
    description="The models as JSON: a list of objects with `algorithm`, `weight` and `hyperparameters`. Empty: one of "
    "each kind, with its defaults and the same weight.",
)
