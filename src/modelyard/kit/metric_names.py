"""What the name of a figure says: whether it is better when it is small, or when it is large."""

import re

_WORD = re.compile(r"[^a-z0-9]+")
_LOSSES = {"loss", "logloss", "mlogloss", "rmse", "mae", "mse", "nll", "perplexity", "deviance", "error", "merror"}
_SCORES = {"accuracy", "acc", "auc", "f1", "r2", "precision", "recall"}
_TIMES = {"seconds"}


def words_of(name: str) -> list[str]:
    """The words of a name, in small letters."""
    return [word for word in _WORD.split(name.lower()) if word]


def is_loss(name: str) -> bool:
    """Whether it measures how wrong a model is: "val_loss", "rmse"."""
    return not _LOSSES.isdisjoint(words_of(name))


def is_score(name: str) -> bool:
    """Whether it measures how right a model is: "accuracy", "r2"."""
    return not _SCORES.isdisjoint(words_of(name))


def falls(name: str) -> bool:
    """Whether smaller is better: losses and times."""
    return is_loss(name) or not _TIMES.isdisjoint(words_of(name))
