"""XGBoost's rounds, which go on from a checkpoint to the same trees, byte for byte."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xgboost

from modelyard.algorithms.base import TrainingContext
from modelyard.algorithms.checkpoints import Progress
from modelyard.algorithms.tables.models import Problem

_LOG_EVERY = 10
_FIRST_TURN, _GROWTH = 50, 1.25


class Boosting:
    """One training. Stops early if there are validation rows and patience.

    XGBoost's generators cannot be saved, so a training that draws rows or columns turns over now and then: it goes on
    with a booster that was read from the bytes of the last one, whether it was interrupted or not. Only there it can
    be taken up again. The distance of these rounds grows, since each time all trees so far are computed once more.

    What a checkpoint holds depends on the stages that had begun by then, and on nothing that comes later. So a training
    goes on from one of a training whose stages were the first of its own.

    Args:
        plan: round -> XGBoost's parameters from there on; it has round 0.
        problem: the rows.
        patience: rounds without improvement on the validation rows; 0: all rounds.
        context: of the job.
        is_to_go_on: the end is a checkpoint too: another training may go on from it.
    """

    def __init__(
        self,
        plan: Mapping[int, Mapping[str, Any]],
        problem: Problem,
        patience: int,
        context: TrainingContext,
        *,
        is_to_go_on: bool = False,
    ) -> None:
        self._stages = [(start, {**each, "seed_per_iteration": True}) for start, each in sorted(plan.items())]
        self._metric = str(plan[0]["eval_metric"])
        self._is_drawn = any(
            min(float(each["subsample"]), float(each["colsample_bytree"])) < 1 for each in plan.values()
        )
        self._context = context
        self._is_to_go_on = is_to_go_on
        threads = context.threads
        self._train = xgboost.DMatrix(problem.features, problem.target, weight=problem.weights, nthread=threads)
        self._watched = [(self._train, "train")]
        if len(problem.validation_target):
            seen = xgboost.DMatrix(problem.validation_features, problem.validation_target, nthread=threads)
            self._watched.append((seen, "validation"))
        self._patience = patience if len(problem.validation_target) else 0
        library = {"patience": patience, "xgboost": xgboost.__version__}
        self._checkpoints = context.checkpoints.of_each(
            [{"stages": self._stages[: count + 1], **library} for count in range(len(self._stages))],
            problem.features, problem.target, problem.weights, problem.validation_features, problem.validation_target,
        )  # fmt: skip
        self._best, self._best_round = float("inf"), 0

    def run(self, rounds: int) -> xgboost.Booster:
        """At most so many rounds; with validation rows, the booster as it was best on them."""
        booster, done = self._begin()
        turns = _turns(rounds) if self._is_drawn else frozenset()
        turns |= {start for start, _ in self._stages[1:]}
        while done < rounds and not (self._patience and done - self._best_round >= self._patience):
            if done in turns:
                booster = self._read(booster.save_raw("ubj"), done)
            if (done in turns or not self._is_drawn) and done and self._checkpoints[self._stage(done)].is_due():
                self._save(booster, done)
            booster.update(self._train, iteration=done)
            done += 1
            self._note(booster, done)
        if self._is_to_go_on:
            self._save(booster, done)
        return booster[: self._best_round] if self._patience else booster

    def _begin(self) -> tuple[xgboost.Booster, int]:
        loaded = (each.load() for each in reversed(self._checkpoints))
        found = next((each for each in loaded if each is not None), None)
        if found is None:
            return xgboost.Booster(self._stages[0][1], [data for data, _ in self._watched]), 0
        done, self._best, self._best_round = found.values["done"], found.values["best"], found.values["best_round"]
        self._context.log(f"going on after round {done}, from a checkpoint")
        return self._read(bytearray(found.arrays["booster"].tobytes()), done), done

    def _read(self, content: bytearray, done: int) -> xgboost.Booster:
        parameters = self._stages[self._stage(done)][1]
        return xgboost.Booster(parameters, [data for data, _ in self._watched], model_file=content)

    def _stage(self, done: int) -> int:
        """The stage whose parameters round `done`, the next one, has."""
        return max(place for place, (start, _) in enumerate(self._stages) if start <= done)

    def _save(self, booster: xgboost.Booster, done: int) -> None:
        content = np.frombuffer(booster.save_raw("ubj"), dtype=np.uint8)
        values = {"done": done, "best": self._best, "best_round": self._best_round}
        self._checkpoints[self._stage(done)].save(Progress(values=values, arrays={"booster": content}))

    def _note(self, booster: xgboost.Booster, done: int) -> None:
        """Log XGBoost's own metrics after a round, and remember the best one."""
        words = booster.eval_set(self._watched, done - 1).split()[1:]
        values = {name: float(value) for name, _, value in (word.rpartition(":") for word in words)}
        parts = {name.removesuffix(f"-{self._metric}"): value for name, value in values.items()}
        for part, value in parts.items():
            self._context.log_metric(f"{part}_{self._metric}", value, done)
        if done % _LOG_EVERY == 0:
            shown = ", ".join(f"{part}_{self._metric} {value:.4f}" for part, value in parts.items())
            self._context.log(f"round {done}: {shown}")
        if parts.get("validation", float("inf")) < self._best:
            self._best, self._best_round = parts["validation"], done


def _turns(rounds: int) -> frozenset[int]:
    found, turn = set(), _FIRST_TURN
    while turn < rounds:
        found.add(turn)
        turn = int(turn * _GROWTH)
    return frozenset(found)
