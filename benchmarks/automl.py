"""AutoML beside FLAML alone, and XGBoost and a random forest as they come, on real tables from packages.

`make bench-automl` (SECONDS=60 for each table and each search, from the start of its process). Same rows, same time,
one core, one after the other. A quarter of the rows is judged by the usual figure of the AutoML benchmark: area under
the curve for two classes, log loss for more, root mean squared error for numbers. Results are kept table by table, so
that it can be interrupted; at the end it writes docs/reference/automl-benchmark.md.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from benchmarks.automl_parts import contenders
from benchmarks.automl_parts.tables import CLASSES, TABLES, Table
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "automl-benchmark.md"
KEPT = Path("build") / "automl-benchmark.json"
Contender = Callable[[Table, pd.DataFrame, pd.DataFrame], Any]
Scores = dict[str, float]
Row = tuple[str, str, Scores]
"""Table, figure, scores by name."""


def main() -> None:
    """Run the tables that have no results yet, and write the page if all have."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--tables", type=int, default=len(TABLES), help="stop after so many")
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # of the libraries that are compared
    players = _players(given.seconds)
    KEPT.parent.mkdir(exist_ok=True)
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    rows: list[Row] = [tuple(row) for row in kept.get(str(given.seconds), [])]
    done = {name for name, _, _ in rows}
    for table in [each for each in TABLES if each.name not in done][: given.tables]:
        rows.append((table.name, *_compare(table, players)))
        KEPT.write_text(json.dumps({**kept, str(given.seconds): rows}))
    text = report(rows, [*players], given.seconds)
    print(text)
    if len(rows) == len(TABLES):
        PAGE.write_text(text, encoding="utf-8")


def report(rows: Sequence[Row], names: Sequence[str], seconds: float) -> str:
    """The page: a table of scores, the best of each row in bold, and mean ranks."""
    ranks = np.array([_ranks(figure, scores, names) for _, figure, scores in rows])
    lines = [
        "# AutoML beside others",
        "",
        f"Real tables from scikit-learn, statsmodels and river; {seconds:g} s for each search from the start of its",
        "process, one core, one after the other, the same quarter of the rows to judge. A larger `auc`, a smaller",
        "`log loss` or `rmse` is better. XGBoost and the random forest are as they come, and take no search. Modelyard",
        "holds a twentieth of its rows out, and answers through ONNX. Written by `make bench-automl`.",
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


def _players(seconds: float) -> dict[str, Contender]:
    return {
        "Modelyard": lambda *rows: contenders.modelyard(*rows, seconds),
        "FLAML alone": lambda *rows: contenders.flaml(*rows, seconds),
        "XGBoost": contenders.xgboost,
        "random forest": contenders.forest,
    }


def _compare(table: Table, players: Mapping[str, Contender]) -> tuple[str, Scores]:
    frame = table.load().reset_index(drop=True)
    kept = frame[table.target] if table.task == CLASSES else None
    train, test = train_test_split(frame, test_size=0.25, random_state=contenders.SEED, stratify=kept)
    figure, scores = "", {}
    for name, play in players.items():
        begin = time.perf_counter()
        answers = play(table, train.copy(), test.copy())
        figure, scores[name] = _score(table, test[table.target], answers)
        print(f"{table.name}, {name}: {figure} {scores[name]:.4g} in {time.perf_counter() - begin:.1f} s", flush=True)
    return figure, scores


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
