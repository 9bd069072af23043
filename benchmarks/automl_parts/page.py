"""The page of results: a table of scores, the best of each row in bold, and mean ranks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

Scores = dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What all had on one table, by name; a larger `auc` is better, and a smaller figure of any other kind."""

    table: str
    figure: str
    scores: Scores

    def ranks(self, names: Sequence[str]) -> list[float]:
        """From 1 on; equal scores share the better place."""
        sign = -1.0 if self.figure == "auc" else 1.0
        return [float(value) for value in pd.Series([sign * self.scores[name] for name in names]).rank(method="min")]


def page(rows: Sequence[Row], names: Sequence[str], seconds: float, seeds: int, at_once: str) -> str:
    """The text in Markdown."""
    splits = "one split" if seeds == 1 else f"the mean of {seeds} splits"
    lines = [
        "# AutoML beside others",
        "",
        f"Real tables from scikit-learn, statsmodels and river; {seconds:g} s for each search from the start of its",
        f"process, {at_once}, the same quarter of the rows to judge,",
        f"{splits} of each table. A larger `auc`, a smaller `log loss` or `rmse` is better. XGBoost and the random",
        "forest are as they come, and take no search. Modelyard holds a twentieth of its rows out, answers through",
        "ONNX, and its time includes the whole bundle that is deployed. AutoGluon has LightGBM and XGBoost beside",
        "scikit-learn, and no torch. Written by `make bench-automl`.",
        "",
    ]
    return "\n".join([*lines, *board(rows, names, ("table", "figure"))]) + "\n"


def board(rows: Sequence[Row], names: Sequence[str], heads: tuple[str, str]) -> list[str]:
    """The lines of the table; `heads` stand over what a row is and what is counted in it."""
    ranks = np.array([row.ranks(names) for row in rows])
    lines = [f"| {' | '.join(heads)} | " + " | ".join(names) + " |", "|---|---|" + "---|" * len(names)]
    for row, places in zip(rows, ranks, strict=True):
        cells = [_cell(row.scores[name], is_best=place == 1) for name, place in zip(names, places, strict=True)]
        lines.append(f"| {row.table} | {row.figure} | " + " | ".join(cells) + " |")
    lines.append("| mean rank | | " + " | ".join(f"{value:.2f}" for value in ranks.mean(axis=0)) + " |")
    lines.append("| first on | | " + " | ".join(f"{int((ranks[:, i] == 1).sum())}" for i in range(len(names))) + " |")
    return lines


def _cell(score: float, *, is_best: bool) -> str:
    return f"**{score:.4g}**" if is_best else f"{score:.4g}"
