"""Which rows train, which steer the training, and which only judge it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.errors import TooFewRowsError

MINIMUM_ROWS = 20

TRIAL_SHARE = 0.2
"""Of all rows: what trials of a tuning job are measured on."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Three masks (n,) that have no row in common; `validation` is empty unless it was asked for.

    In a trial, `holdout` is what it is measured on, and the rows that are really held out are in none of them.
    """

    train: Mask
    validation: Mask
    holdout: Mask

    def sentence(self) -> str:
        """How many rows are in each part."""
        parts = [f"{int(self.train.sum()):,} rows train", f"{int(self.holdout.sum()):,} are held out"]
        if self.validation.any():
            parts.insert(1, f"{int(self.validation.sum()):,} steer early stopping")
        return ", ".join(parts)


def split_rows(
    held_out: Callable[[float], Mask], share: float, *, validation_share: float = 0.0, is_trial: bool = False
) -> Split:
    """Split by content: `held_out(share)` is the mask of data.holdout for a share of the rows.

    The masks of growing shares contain each other, so the rows between two shares are a validation part that is
    as stable as the held-out part, and so is the part that stands in for it in trials.

    Raises:
        TooFewRowsError: fewer than 20 rows, or a part would be empty.
    """
    holdout = held_out(share)
    if len(holdout) < MINIMUM_ROWS:
        raise TooFewRowsError(
            f"The training data has {_rows(len(holdout))}, at least {MINIMUM_ROWS} are needed",
            hint="Add rows: a few hundred give a first useful model.",
            field="channels.train",
        )
    spared = np.zeros_like(holdout)
    if is_trial:
        spared, share = holdout, min(1.0, share + TRIAL_SHARE)
        holdout = held_out(share) & ~spared
    validation = held_out(min(1.0, share + validation_share)) & ~(holdout | spared)
    train = ~(holdout | validation | spared)
    is_short = validation_share > 0 and not validation.any()
    if not holdout.any() or not train.any() or is_short:
        raise TooFewRowsError(
            f"Of {_rows(len(holdout))}, {_rows(int(train.sum()))} would train and {_rows(int(holdout.sum()))} judge: "
            "a part is empty",
            hint="Rows are assigned by their content; add different rows.",
            field="channels.train",
        )
    return Split(train=train, validation=validation, holdout=holdout)


def take(tensors: dict[str, NDArray[Any]], mask: Mask) -> dict[str, NDArray[Any]]:
    """The masked rows of every tensor."""
    return {name: tensor[mask] for name, tensor in tensors.items()}


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
