"""Plays contenders against tables: several at once, each on a core of its own."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from benchmarks.automl_parts import contenders
from benchmarks.automl_parts.pinning import pinned
from benchmarks.automl_parts.tables import CLASSES, TABLES, Table
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split

_BINARY = 2
Contender = Callable[[Table, pd.DataFrame, pd.DataFrame], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Game:
    """One contender on one table, by their names; `seed` says how the rows are split."""

    table: str
    seed: int
    contender: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What came of it."""

    game: Game
    figure: str
    score: float
    seconds: float


def players(seconds: float, seed: int, autogluon: Path) -> dict[str, Contender]:
    """All contenders by name."""
    return {
        "Modelyard": partial(contenders.modelyard, seconds=seconds, seed=seed),
        "FLAML alone": partial(contenders.flaml, seconds=seconds, seed=seed),
        "AutoGluon alone": partial(contenders.autogluon, seconds=seconds, python=autogluon),
        "XGBoost": partial(contenders.xgboost, seed=seed),
        "random forest": partial(contenders.forest, seed=seed),
    }


def play_all(
    games: Sequence[Game], seconds: float, autogluon: Path, workers: int, end: float
) -> Iterator[Played | tuple[Game, Exception]]:
    """Each game's result as it comes, or what was raised; none begins after `end`, a time by time.time().

    Args:
        games: in the order in which they begin.
        seconds: for each search.
        autogluon: interpreter that has it.
        workers: games at once, each pinned to a core.
        end: see above.
    """
    with pinned(workers) as pool:
        playing = {pool.submit(_play, game, seconds, autogluon, end): game for game in games}
        for each in as_completed(playing):
            error = each.exception()
            if isinstance(error, Exception):
                yield playing[each], error
            elif (played := each.result()) is not None:
                yield played


def _play(game: Game, seconds: float, autogluon: Path, end: float) -> Played | None:
    if time.time() >= end:
        return None
    table = next(each for each in TABLES if each.name == game.table)
    frame = table.load().reset_index(drop=True)
    kept = frame[table.target] if table.task == CLASSES else None
    train, test = train_test_split(frame, test_size=0.25, random_state=game.seed, stratify=kept)
    begin = time.perf_counter()
    answers = players(seconds, game.seed, autogluon)[game.contender](table, train, test)
    taken = time.perf_counter() - begin
    figure, score = _score(table, test[table.target], answers)
    return Played(game=game, figure=figure, score=score, seconds=taken)


def _score(table: Table, truth: pd.Series, answers: Any) -> tuple[str, float]:
    if table.task != CLASSES:
        return "rmse", float(np.sqrt(np.mean((np.asarray(answers) - truth.to_numpy()) ** 2)))
    classes = sorted(truth.unique())
    if len(classes) == _BINARY:
        return "auc", float(roc_auc_score(truth == classes[1], np.asarray(answers)[:, 1]))
    return "log loss", float(log_loss(truth, np.asarray(answers, dtype=np.float64), labels=classes))
