"""FLAML as a program: `FOLDER TARGET TASK SECONDS SEED`; the time counts from the start of this process."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from flaml import AutoML

from modelyard.algorithms.automl.budget import process_age_seconds


def main(folder: Path, target: str, task: str, seconds: float, seed: int) -> None:
    """Train on train.pickle, answer test.pickle."""
    train, test = pd.read_pickle(folder / "train.pickle"), pd.read_pickle(folder / "test.pickle")
    metric = "rmse" if task == "regression" else "roc_auc" if train[target].nunique() == 2 else "log_loss"
    search = AutoML()
    # No time at all would be no limit to FLAML.
    inputs, left = train.drop(columns=target), max(1.0, seconds - process_age_seconds())
    search.fit(inputs, train[target], task=task, metric=metric, time_budget=left, n_jobs=1, seed=seed, verbose=0)
    answers = search.predict(test) if task == "regression" else search.predict_proba(test)
    np.save(folder / "answers.npy", np.asarray(answers))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4]), int(sys.argv[5]))
