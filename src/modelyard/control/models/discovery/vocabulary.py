"""The words that phrases are made of, and what each stands for in the query language."""

import re

from modelyard.control.models.discovery.syntax import Operator

GREATER = r"above|over|more than|greater than|better than|higher than|larger than|exceeding|>"
AT_LEAST = r"at least|no less than|not less than|minimum|min|from|>="
LESS = r"below|under|less than|lower than|smaller than|fewer than|<"
AT_MOST = r"at most|no more than|not more than|up to|maximum|max|<="
COMPARATOR = rf"{AT_LEAST}|{AT_MOST}|{GREATER}|{LESS}"
SUFFIX = r"or (?:better|more|higher|above|less|lower|below)"
NUMBER = r"(?P<number>\d{1,12}(?:\.\d{1,18})?|\.\d{1,18})(?![\w.])\s*(?P<percent>%|percent\b)?"

METRIC_NAMES = {
    "accuracy": "accuracy",
    "acc": "accuracy",
    "balanced accuracy": "balanced_accuracy",
    "precision": "precision",
    "recall": "recall",
    "f1": "f1",
    "f1 score": "f1",
    "f1-score": "f1",
    "auc": "auc",
    "roc auc": "auc",
    "r2": "r2",
    "rmse": "rmse",
    "root mean squared error": "rmse",
    "mae": "mae",
    "mean absolute error": "mae",
    "mse": "mse",
    "mape": "mape",
    "mase": "mase",
    "smape": "smape",
    "loss": "loss",
    "log loss": "log_loss",
    "error": "error",
}
SHARES = frozenset({"accuracy", "balanced_accuracy", "precision", "recall", "f1", "auc", "r2"})
"""Metrics between 0 and 1: "accuracy above 95" means 0.95."""
LOWER_IS_BETTER = frozenset({"rmse", "mae", "mse", "mape", "mase", "smape", "loss", "log_loss", "error"})
KNOWN_METRIC = "|".join(sorted(map(re.escape, METRIC_NAMES), key=len, reverse=True))

TASKS = {
    "image-classification": (
        r"image[ -]classif\w+|classif\w+ (?:of )?images?|image[ -]recognition|image[ -]labell?ing"
    ),
    "tabular-classification": r"(?:tabular|table)[ -]classif\w+|classif\w+ (?:of )?(?:tables?|rows)",
    "text-classification": r"text[ -]classif\w+|classif\w+ (?:of )?texts?|sentiment[ -](?:analysis|classif\w+)",
    "forecasting": r"(?:time[ -]series[ -])?forecast(?:s|ing|ers?)?",
    "tabular-regression": r"(?:(?:tabular|table)[ -])?regress(?:ion|ors?)",
}

FIELD_WORDS = {
    "tagged": ("tags", Operator.EQUAL),
    "tag": ("tags", Operator.EQUAL),
    "tags": ("tags", Operator.EQUAL),
    "called": ("name", Operator.EQUAL),
    "named": ("name", Operator.EQUAL),
    "alias": ("alias", Operator.EQUAL),
    "using": ("algorithm", Operator.CONTAINS),
    "trained with": ("algorithm", Operator.CONTAINS),
    "trained by": ("algorithm", Operator.CONTAINS),
    "deployed at": ("endpoint", Operator.EQUAL),
    "deployed to": ("endpoint", Operator.EQUAL),
    "served by": ("endpoint", Operator.EQUAL),
}

SUPERLATIVES = {
    "newest": ("created_at", True),
    "latest": ("created_at", True),
    "most recent": ("created_at", True),
    "oldest": ("created_at", False),
    "largest": ("size_bytes", True),
    "smallest": ("size_bytes", False),
}
"""Word -> field to sort by, and whether descending."""

STOP_WORDS = frozenset(
    {
        *("a", "all", "an", "and", "any", "are", "at", "by", "can", "do", "does", "find", "for", "get", "give", "has"),
        *("have", "having", "i", "in", "is", "it", "its", "list", "me", "model", "models", "need", "of", "on", "or"),
        *("order", "please", "score", "search", "show", "some", "that", "the", "them", "these", "to", "value", "want"),
        *("what", "where", "which", "who", "whose", "with"),
    }
)


def metric_name(words: str) -> str:
    """The usual name of a metric: "f1 score" -> "f1"."""
    return METRIC_NAMES.get(words, words)


def operator(words: str, metric: str = "") -> Operator:
    """The operator that some words stand for; none ("accuracy 0.9"): at least as good as that."""
    is_error = metric in LOWER_IS_BETTER
    if words in ("better than", "or better"):
        return {
            ("better than", False): Operator.GREATER,
            ("better than", True): Operator.LESS,
            ("or better", False): Operator.GREATER_OR_EQUAL,
            ("or better", True): Operator.LESS_OR_EQUAL,
        }[words, is_error]
    for found, pattern in (
        (Operator.GREATER_OR_EQUAL, rf"{AT_LEAST}|or (?:more|higher|above)"),
        (Operator.LESS_OR_EQUAL, rf"{AT_MOST}|or (?:less|lower|below)"),
        (Operator.GREATER, GREATER),
        (Operator.LESS, LESS),
    ):
        if re.fullmatch(pattern, words):
            return found
    return Operator.LESS_OR_EQUAL if is_error else Operator.GREATER_OR_EQUAL
