"""Exact SHAP values of tree ensembles with respect to background rows, in one pass over the leaves.

Take one leaf and one background row. On the way to the leaf some inputs pass only with the explained row's values (say
a of them), some only with the background row's (b), and if one passes with neither, nobody gets there. The leaf is
reached by exactly the coalitions that hold all of the a and none of the b inputs; the Shapley value of that game is
(a-1)! b! / (a+b)! for each of the a inputs and -a! (b-1)! / (a+b)! for each of the b. Sum over leaves, mean over rows.
Source: S. Lundberg et al., "From local explanations to global understanding with explainable AI for trees", Nature
Machine Intelligence 2, 2020 (interventional TreeSHAP).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_DEPTH = 62
"""Longest way to a leaf: its inputs are bits of one number."""

_COMPARE: dict[str, Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.bool_]]] = {
    "BRANCH_LEQ": np.less_equal,
    "BRANCH_LT": np.less,
    "BRANCH_GTE": np.greater_equal,
    "BRANCH_GT": np.greater,
    "BRANCH_EQ": np.equal,
    "BRANCH_NEQ": np.not_equal,
}
MODES = frozenset(_COMPARE)


@dataclass(frozen=True, slots=True)
class Branches:
    """Inner nodes of all trees, (n,) each; `mode` compares a feature with the threshold, true goes to the true side."""

    feature: NDArray[np.intp]
    threshold: NDArray[np.float32]
    mode: NDArray[np.str_]
    missing_is_true: NDArray[np.bool_]

    def passes(self, rows: NDArray[np.float32]) -> NDArray[np.bool_]:
        """(r, n): whether each row goes to the true side at each node."""
        values = rows[:, self.feature]
        found = np.zeros(values.shape, dtype=bool)
        for mode in np.unique(self.mode).tolist():
            at = self.mode == mode
            found[:, at] = _COMPARE[mode](values[:, at], self.threshold[at])
        return np.where(np.isnan(values), self.missing_is_true, found)


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Trees as the ways to their leaves.

    Attributes:
        branches: the inner nodes.
        path: (leaves, depth) numbers of the nodes on the way, -1 where the way is shorter.
        side: (leaves, depth) which side the way takes.
        leaf: (leaves, outputs) what a leaf adds.
        base: (outputs,) added to every answer.
    """

    branches: Branches
    path: NDArray[np.intp]
    side: NDArray[np.bool_]
    leaf: NDArray[np.float64]
    base: NDArray[np.float64]

    def answers(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """(r, outputs) sums over the trees."""
        found = []
        for passes in self.branches.passes(rows):
            is_on_way = (self.path < 0) | (passes[self.path] == self.side)
            found.append(self.base + self.leaf[is_on_way.all(axis=1)].sum(axis=0))
        return np.array(found)

    def shap_values(
        self, row: NDArray[np.float32], background: NDArray[np.float32], owner: NDArray[np.intp], players: int
    ) -> NDArray[np.float64]:
        """(players, outputs): they add up to the row's answer less the mean of the background's.

        Args:
            row: (features,).
            background: (b, features).
            owner: (features,) the player that a feature was made of.
            players: how many there are.
        """
        of_node, slot = self._slots(owner)
        misses = self._misses(self.branches.passes(row[None, :])[0], slot)
        weights = _weights(self.path.shape[1])
        shares = np.zeros(self.path.shape, dtype=np.float64)
        for passes in self.branches.passes(background):
            others = self._misses(passes, slot)
            needed, barred = others & ~misses, misses & ~others
            gains, losses = weights[:, np.bitwise_count(needed), np.bitwise_count(barred)]
            is_reached = (misses & others) == 0
            for place in range(self.path.shape[1]):
                bit = np.uint64(1 << place)
                shares[:, place] += is_reached * (gains * ((needed & bit) > 0) - losses * ((barred & bit) > 0))
        shares /= len(background)
        values = np.zeros((players, self.leaf.shape[1]))
        for place in range(self.path.shape[1]):
            used = of_node[:, place] >= 0
            np.add.at(values, of_node[used, place], shares[used, place, None] * self.leaf[used])
        return values

    def _slots(self, owner: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.uint64]]:
        """Per leaf: the player of each slot (-1: unused), and for each node on the way the bit of its player's slot."""
        player = np.where(self.path >= 0, owner[self.branches.feature[self.path]], -1)
        first = np.zeros(player.shape, dtype=np.intp)
        for place in range(player.shape[1]):
            is_same = player[:, : place + 1] == player[:, place, None]
            first[:, place] = is_same.argmax(axis=1)
        is_first = first == np.arange(player.shape[1])
        bits = np.left_shift(np.uint64(1), first.astype(np.uint64))
        return np.where(is_first, player, -1), bits

    def _misses(self, passes: NDArray[np.bool_], slot: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Per leaf: the slots of the players that do not pass."""
        fails = (self.path >= 0) & (passes[self.path] != self.side)
        found: NDArray[np.uint64] = np.bitwise_or.reduce(np.where(fails, slot, np.uint64(0)), axis=1)
        return found


def _weights(depth: int) -> NDArray[np.float64]:
    """(2, depth + 1, depth + 1): gain of a needed and loss of a barred player, by how many of both there are."""
    table = np.zeros((2, depth + 1, depth + 1))
    for needed in range(depth + 1):
        for barred in range(depth + 1 - needed):
            together = math.factorial(needed + barred)
            if needed:
                table[0, needed, barred] = math.factorial(needed - 1) * math.factorial(barred) / together
            if barred:
                table[1, needed, barred] = math.factorial(needed) * math.factorial(barred - 1) / together
    return table
