"""AutoGluon as a program in its own environment: `FOLDER TARGET TASK SECONDS`; the time counts from its start."""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from autogluon.tabular import TabularPredictor


def main(folder: Path, target: str, task: str, seconds: float) -> None:
    """Train on train.parquet, answer test.parquet."""
    train, test = pd.read_parquet(folder / "train.parquet"), pd.read_parquet(folder / "test.parquet")
    metric = (
        "root_mean_squared_error" if task == "regression" else "roc_auc" if train[target].nunique() == 2 else "log_loss"
    )
    kind = "regression" if task == "regression" else "binary" if metric == "roc_auc" else "multiclass"
    predictor = TabularPredictor(target, problem_type=kind, eval_metric=metric, path=str(folder / "models"))
    left = seconds - (time.time() - psutil.Process().create_time())
    predictor.fit(train, time_limit=max(1.0, left), presets="medium_quality", num_cpus=1, num_gpus=0)
    if task == "regression":
        answers = predictor.predict(test).to_numpy()
    else:
        shares = predictor.predict_proba(test)
        answers = shares[sorted(shares.columns)].to_numpy()
    np.save(folder / "answers.npy", answers)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4]))
