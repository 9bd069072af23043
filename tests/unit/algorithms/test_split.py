"""Which rows train, steer and judge."""

import numpy as np
import pytest

from modelyard.algorithms.errors import TooFewRowsError
from modelyard.algorithms.preparation.split import TRIAL_SHARE, split_rows

ROWS = 1000


def by_number(share: float) -> np.ndarray:
    return np.arange(ROWS) < ROWS * share


def test_a_trial_sees_nothing_of_the_held_out_rows_and_is_measured_on_others():
    final, trial = (split_rows(by_number, 0.2, validation_share=0.1, is_trial=each) for each in (False, True))
    parts = trial.train, trial.validation, trial.holdout
    assert [int(part.sum()) for part in parts] == [500, 100, int(ROWS * TRIAL_SHARE)]
    assert not (sum(part.astype(int) for part in parts) > 1).any(), "no row is in two parts"
    assert not any((part & final.holdout).any() for part in parts)
    assert (final.train | final.validation | final.holdout).all()


def test_a_trial_that_has_no_rows_to_learn_from_says_so():
    with pytest.raises(TooFewRowsError, match="a part is empty"):
        split_rows(by_number, 0.8, is_trial=True)
