"""AutoML beside FLAML and AutoGluon alone, and XGBoost and a random forest as they come, on real tables from packages.

`make bench-automl` (SECONDS=30 for each table and each search, from the start of its process; SEEDS=1, MINUTES=9).
Same rows, same time, one core, one after the other. A quarter of the rows is judged by the usual figure of the AutoML
benchmark: area under the curve for two classes, log loss for more, root mean squared error for numbers. Each table and
seed has a file of its own in build/: after MINUTES no other begins, and the next call goes on from there. When all
are there, it writes docs/reference/automl-benchmark.md.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from benchmarks.automl_parts import contenders
from benchmarks.automl_parts.tables import CLASSES, TABLES, Table
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "automl-benchmark.md"
KEPT = Path("build") / "automl-benchmark"
Contender = Callable[[Table, pd.DataFrame, pd.DataFrame], Any]
Scores = dict[str, float]
Row = tuple[str, str, Scores]
"""Table, figure, scores by name."""


def main() -> None:
    """Run what has no result yet, as far as the time goes; write the page if all is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seeds", type=int, default=1, help="so many ways to split each table")
    parser.add_argument("--minutes", type=float, default=9, help="after this no other table begins")
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # of the libraries that are compared
    begin = time.monotonic()
    for seed in range(given.seeds):
        for table in TABLES:
            if time.monotonic() - begin < 60 * given.minutes:
                _complete(table, seed, given.seconds)
    files = [[_file(table, seed, given.seconds) for seed in range(given.seeds)] for table in TABLES]
    names = [*_players(0, 0)]
    lacking = [file.name for each in files for file in each if _known(file)[1].keys() != {*names}]
    if lacking:
        print(f"{len(lacking)} results are lacking: call it again. The next is {lacking[0]}")
        return
    rows = [_row(table, each) for table, each in zip(TABLES, files, strict=True)]
    text = report(rows, names, given.seconds, given.seeds)
    print(text)
    PAGE.write_text(text, encoding="utf-8")


def report(rows: Sequence[Row], names: Sequence[str], seconds: float, seeds: int) -> str:
    """The page: a table of scores, the best of each row in bold, and mean ranks."""
    ranks = np.array([_ranks(figure, scores, names) for _, figure, scores in rows])
    splits = "one split" if seeds == 1 else f"the mean of {seeds} splits"
    lines = [
        "# AutoML beside others",
        "",
        f"Real tables from scikit-learn, statsmodels and river; {seconds:g} s for each search from the start of its",
        "process, one core, one after the other with other work on the machine, the same quarter of the rows to judge,",
        f"{splits} of each table. A larger `auc`, a smaller `log loss` or `rmse` is better. XGBoost and the random",
        "forest are as they come, and take no search. Modelyard holds a twentieth of its rows out, answers through",
        "ONNX, and its time includes the whole bundle that is deployed. AutoGluon has LightGBM and XGBoost beside",
        "scikit-learn, and no torch. Written by `make bench-automl`.",
        "",
        "| table | figure | " + " | ".join(names) + " |",
        "|---|---|" + "---|" * len(names),
    ]
    for name, figure, scores in rows:
        best = max(scores.values()) if figure == "auc" else min(scores.values())
        cells = [f"**{scores[each]:.4g}**" if scores[each] == best else f"{scores[each]:.4g}" for each in names]
        lines.append(f"| {name} | {figure} | " + " | ".join(cells) + " |")
    lines.append("| mean rank | | " + " | ".join(f"{value:.2f}" for value in ranks.mean(axis=0)) + " |")
    lines.append("| first on | | " + " | ".join(f"{int((ranks[:, i] == 1).sum())}" for i in range(len(names))) + " |")
    return "\n".join(lines) + "\n"


def _file(table: Table, seed: int, seconds: float) -> Path:
    return KEPT / f"{table.name.replace(' ', '-')}.{seed}.{seconds:g}s.json"


def _row(table: Table, files: Sequence[Path]) -> Row:
    found = [json.loads(file.read_text()) for file in files]
    figure, first = found[0]
    return table.name, figure, {name: float(np.mean([scores[name] for _, scores in found])) for name in first}


def _players(seconds: float, seed: int) -> dict[str, Contender]:
    return {
        "Modelyard": partial(contenders.modelyard, seconds=seconds, seed=seed),
        "FLAML alone": partial(contenders.flaml, seconds=seconds, seed=seed),
        "AutoGluon alone": partial(contenders.autogluon, seconds=seconds),
        "XGBoost": partial(contenders.xgboost, seed=seed),
        "random forest": partial(contenders.forest, seed=seed),
    }


def _known(file: Path) -> tuple[str, Scores]:
    figure, scores = json.loads(file.read_text()) if file.exists() else ("", {})
    return figure, scores


def _complete(table: Table, seed: int, seconds: float) -> None:
    """Let those play whose score is not known, and keep each at once."""
    file = _file(table, seed, seconds)
    _, scores = _known(file)
    lacking = {name: play for name, play in _players(seconds, seed).items() if name not in scores}
    if not lacking:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    frame = table.load().reset_index(drop=True)
    kept = frame[table.target] if table.task == CLASSES else None
    train, test = train_test_split(frame, test_size=0.25, random_state=seed, stratify=kept)
    for name, play in lacking.items():
        begin = time.perf_counter()
        answers = play(table, train.copy(), test.copy())
        figure, scores[name] = _score(table, test[table.target], answers)
        print(f"{table.name}, {name}: {figure} {scores[name]:.4g} in {time.perf_counter() - begin:.1f} s", flush=True)
        file.write_text(json.dumps((figure, scores)))


def _score(table: Table, truth: pd.Series, answers: Any) -> tuple[str, float]:
    if table.task != CLASSES:
        return "rmse", float(np.sqrt(np.mean((np.asarray(answers) - truth.to_numpy()) ** 2)))
    classes = sorted(truth.unique())
    if len(classes) == 2:
        return "auc", float(roc_auc_score(truth == classes[1], np.asarray(answers)[:, 1]))
    return "log loss", float(log_loss(truth, np.asarray(answers, dtype=np.float64), labels=classes))


def _ranks(figure: str, scores: Scores, names: Sequence[str]) -> list[float]:
    sign = -1.0 if figure == "auc" else 1.0
    return [float(value) for value in pd.Series([sign * scores[name] for name in names]).rank(method="min")]


if __name__ == "__main__":
    main()
