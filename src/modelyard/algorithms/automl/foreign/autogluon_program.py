"""AutoGluon as a program of its own environment, in which this package is not: `FOLDER`.

It reads task.json and rows.npz, fits to all folds but one, answers that one, in turn, and writes answers.npy and
figures.json. It keeps to the seconds that task.json gives, counted from its start.
"""

import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

_STARTED = time.monotonic()
_CALLS = 5
_TARGET = "target"


def main(folder: Path) -> None:
    """See the module."""
    import numpy as np  # noqa: PLC0415 - what imports take counts
    import pandas as pd  # noqa: PLC0415

    task = json.loads((folder / "task.json").read_text())
    with np.load(folder / "rows.npz", allow_pickle=False) as rows:
        numbers, words, target, fold = (rows[name] for name in ("numbers", "words", "target", "fold"))
    frame = pd.concat(
        [pd.DataFrame(numbers).add_prefix("number "), pd.DataFrame(words).add_prefix("category ").astype("category")],
        axis=1,
    )
    frame[_TARGET] = target
    answers = np.full((len(frame), task["outputs"]), np.nan, dtype=np.float32)
    seconds = []
    for number in range(task["folds"]):
        left = (task["seconds"] - (time.monotonic() - _STARTED)) / (task["folds"] - number)
        begin = time.monotonic()
        predictor = _fit(frame[fold != number], task, folder / f"models-{number}", left)
        seconds.append(time.monotonic() - begin)
        judged = frame[fold == number].drop(columns=_TARGET)
        answers[fold == number] = _answer(predictor, judged, task)
    latencies = []
    for _ in range(_CALLS):
        begin = time.monotonic()
        _answer(predictor, judged[:1], task)
        latencies.append(1e3 * (time.monotonic() - begin))
    np.save(folder / "answers.npy", answers)
    figures = {"fit_seconds": sum(seconds) / len(seconds), "latency_ms": median(latencies)}
    (folder / "figures.json").write_text(json.dumps(figures))


def _fit(rows: Any, task: dict[str, Any], folder: Path, seconds: float) -> Any:
    from autogluon.tabular import TabularPredictor  # noqa: PLC0415

    predictor = TabularPredictor(
        _TARGET,
        problem_type=task["kind"],
        eval_metric=task["metric"],
        path=str(folder),
        verbosity=0,
        learner_kwargs={"label_count_threshold": 1},  # no class is left out because it is rare
    )
    return predictor.fit(
        rows, time_limit=max(1.0, seconds), presets="medium_quality", num_cpus=task["threads"], num_gpus=0
    )


def _answer(predictor: Any, rows: Any, task: dict[str, Any]) -> Any:
    """Probabilities by class number, none for classes that it has not seen; or numbers, (n, 1)."""
    if task["kind"] == "regression":
        return predictor.predict(rows).to_numpy()[:, None]
    return predictor.predict_proba(rows).reindex(columns=range(task["outputs"]), fill_value=0.0).to_numpy()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
