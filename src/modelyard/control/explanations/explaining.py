"""Explains one row of a running model: picks the method, keeps to the time."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.explanations.graphs import TreeModel, find_link
from modelyard.algorithms.explanations.players import Player, find_players, mixed
from modelyard.algorithms.explanations.shapley import MOST_PLAYERS, OutOfTimeError, Values, exact, sampled
from modelyard.control.evaluation.asking import AskedVariant
from modelyard.control.explanations.errors import ExplanationImpossibleError
from modelyard.runtimes.base import Tensors
from modelyard.types.evaluation.explanations import ExplanationMethod

_MOST_BYTES = 32 << 20
_TOLERANCE = 0.01
_SHARE_OF_TIME = 0.6
_LEAST_PAIRS = 4
_TREE_ROWS = 8


@dataclass(frozen=True, slots=True)
class Output:
    """The number that is explained: `of` takes it out of a model's answers, (n,); `target` is the class's number."""

    name: str
    unit: str
    target: int
    of: Callable[[Mapping[str, Any]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Explained:
    """The result; the unit may be another one than the output's when trees were read."""

    values: Values
    players: Sequence[Player]
    unit: str
    method: ExplanationMethod
    background_rows: int


class Explainer:
    """Explains one row against background rows.

    Args:
        model: that is asked.
        row: a batch of one.
        background: b > 0 rows.
        trees: finds the model's trees, if it has some; called only where they would help.
        time_left: seconds.
    """

    def __init__(
        self,
        model: AskedVariant,
        row: Tensors,
        background: Tensors,
        trees: Callable[[], TreeModel | None],
        time_left: Callable[[], float],
    ) -> None:
        self._model = model
        self._row = row
        self._find_trees = trees
        self._time_left = time_left
        self._players = find_players(model.signature, row)
        started = time.monotonic()
        model.infer(row)
        seconds_per_row = max(time.monotonic() - started, 1e-6)
        self._background = _spread(background, int(_SHARE_OF_TIME / 2 * time_left() / seconds_per_row))
        self._every = {name: np.concatenate([row[name], rest]) for name, rest in self._background.items()}
        started = time.monotonic()
        self._answers = model.infer(self._every)
        self._rows_per_second = (self._rows + 1) / max(time.monotonic() - started, 1e-6)

    def explain(self, method: ExplanationMethod, target: str | None) -> Explained:
        """The contributions of every player.

        Args:
            method: AUTO, or the one to use.
            target: the class to explain; None: the one that the model answered.

        Raises:
            ExplanationImpossibleError: the answer is none that can be explained, or not so.
            OutOfTimeError: there is no estimate yet when the time is over.
        """
        self.output = output = _output(self._model, self._answers, target)
        count = len(self._players)
        affordable = self._rows_per_second * max(0.0, self._time_left()) * _SHARE_OF_TIME
        can_ask_all = count <= MOST_PLAYERS and 2**count * self._rows <= affordable
        if method in (ExplanationMethod.AUTO, ExplanationMethod.TREES):
            found = self._by_trees(output, is_wanted=method is ExplanationMethod.TREES or not can_ask_all)
            if found is not None:
                return found
        if method is ExplanationMethod.TREES:
            raise ExplanationImpossibleError(
                f"{self._model.version} is no sum of trees over its inputs that could be read",
                hint="Use the method 'auto'.",
                field="method",
            )
        if method is ExplanationMethod.EXACT and count > MOST_PLAYERS:
            raise ExplanationImpossibleError(
                f"{count} inputs have too many subsets to ask for all; {MOST_PLAYERS} are possible",
                hint="Use the method 'auto' or 'sampled'.",
                field="method",
            )
        if method is ExplanationMethod.EXACT or (method is ExplanationMethod.AUTO and can_ask_all):
            values = exact(count, self._game(output, self._background))
            return Explained(values, self._players, output.unit, ExplanationMethod.EXACT, self._rows)
        return self._by_sampling(output, affordable)

    @property
    def _rows(self) -> int:
        return _count(self._background)

    def _by_trees(self, output: Output, *, is_wanted: bool) -> Explained | None:
        """Exact; None if the model has no trees, or if they explain another unit and asking is exact too."""
        trees = self._find_trees()
        if trees is None:
            return None
        sums = trees.ensemble.answers(trees.features(self._every))
        link = find_link(sums, self._answers, output.target)
        if link is None or not (is_wanted or link.unit == output.unit):
            return None
        owner = trees.owners(self._players, self._row, self._background)
        if owner is None:
            return None
        worth = sums @ link.weights
        values, rows = self._shares(trees, owner)
        found = Values(values @ link.weights, np.zeros(len(values)), float(worth[1 : rows + 1].mean()), float(worth[0]))
        return Explained(found, self._players, link.unit, ExplanationMethod.TREES, rows)

    def _shares(self, trees: TreeModel, owner: NDArray[np.intp]) -> tuple[NDArray[np.float64], int]:
        """(players, outputs) over as many background rows as the time allows, and how many those are."""
        features, rows = trees.features(self._every), 0
        total: NDArray[np.float64] = np.zeros(())
        while rows < self._rows and not (rows and self._model.is_time_up):
            part = features[rows + 1 : rows + 1 + _TREE_ROWS]
            total = total + trees.ensemble.shap_values(features[0], part, owner, len(self._players)) * len(part)
            rows += len(part)
        return total / rows, rows

    def _by_sampling(self, output: Output, affordable: float) -> Explained:
        """Fewer background rows where the time would not do for a few orders of the players with all of them."""
        calls = max(1, 2 * (len(self._players) - 1)) * _LEAST_PAIRS
        background = _spread(self._background, int(affordable // calls))
        values = sampled(
            len(self._players),
            self._game(output, background),
            is_time_up=lambda: self._model.is_time_up,
            tolerance=_TOLERANCE,
        )
        return Explained(values, self._players, output.unit, ExplanationMethod.SAMPLED, _count(background))

    def _game(self, output: Output, background: Tensors) -> Callable[[NDArray[np.bool_]], NDArray[np.float64]]:
        rows = _count(background)
        size = sum(tensor.nbytes // max(1, len(tensor)) for tensor in background.values()) * rows
        step = max(1, _MOST_BYTES // max(1, size))

        def game(coalitions: NDArray[np.bool_]) -> NDArray[np.float64]:
            parts = []
            for start in range(0, len(coalitions), step):
                chosen = coalitions[start : start + step]
                if self._model.is_time_up:
                    raise OutOfTimeError
                answers = self._model.infer(mixed(self._players, self._row, background, chosen))
                parts.append(output.of(answers).reshape(len(chosen), -1).mean(axis=1))
            return np.concatenate(parts)

        return game


def _spread(rows: Tensors, most: int) -> Tensors:
    """At most so many of the rows, at least one, spread evenly."""
    count = _count(rows)
    chosen = np.linspace(0, count - 1, min(count, max(1, most))).round().astype(np.intp)
    return {name: tensor[chosen] for name, tensor in rows.items()}


def _count(rows: Tensors) -> int:
    return len(next(iter(rows.values())))


def _output(model: AskedVariant, answers: Tensors, target: str | None) -> Output:
    if "prediction" in answers and answers["prediction"][0].size == 1:
        return Output("prediction", "prediction", 0, lambda found: _column(found["prediction"], 0))
    if "label" not in answers:
        raise ExplanationImpossibleError(
            f"{model.version} answers {', '.join(sorted(answers))}: neither a label nor one number",
            hint="Classifiers and regressors can be explained.",
        )
    answered = str(np.asarray(answers["label"]).reshape(-1)[0])
    names, wanted = model.signature.class_names, target if target is not None else answered
    if "probabilities" not in answers or not names:
        labels = sorted({str(each) for each in np.asarray(answers["label"]).reshape(-1).tolist()})
        return Output(
            f"answering '{wanted}'",
            "probability",
            labels.index(wanted) if wanted in labels else 0,
            lambda found: (np.asarray(found["label"]).reshape(-1).astype(str) == wanted).astype(np.float64),
        )
    if wanted not in names:
        raise ExplanationImpossibleError(
            f"{model.version} has no class '{wanted[:80]}'", hint=f"It has: {', '.join(names[:20])}.", field="target"
        )
    number = names.index(wanted)
    return Output(
        f"probability of '{wanted}'", "probability", number, lambda found: _column(found["probabilities"], number)
    )


def _column(tensor: NDArray[Any], number: int) -> NDArray[np.float64]:
    return np.asarray(tensor, dtype=np.float64).reshape(len(tensor), -1)[:, number]
