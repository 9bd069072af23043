"""Shapley values of any game: exactly, by asking for every coalition, or by drawing orders until the time is up.

The value of a coalition is the model's mean answer when the coalition's inputs are those of the row and the others come
from the background (the interventional expectation).
Sources: L. Shapley, "A Value for n-Person Games", 1953; S. Lundberg and S. Lee, "A Unified Approach to Interpreting
Model Predictions", NeurIPS 2017; J. Castro et al., "Polynomial calculation of the Shapley value based on sampling",
2009; R. Mitchell et al., "Sampling Permutations for Shapley Value Estimation", JMLR 23, 2022 (opposite orders).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Game = Callable[[NDArray[np.bool_]], NDArray[np.float64]]
"""Values (c,) of coalitions (c, p)."""

MOST_PLAYERS = 12
"""More players have too many coalitions to ask for all."""

_SEED = 20_260_101
_CHUNK = 64
_MOST_PAIRS = 2000


@dataclass(frozen=True, slots=True)
class Values:
    """Shapley values (p,) with their standard errors (p,); `base` plus the values is `whole`."""

    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    base: float
    whole: float


class OutOfTimeError(Exception):
    """The time was up before there was an estimate. A game may raise it too."""


def exact(players: int, game: Game) -> Values:
    """By all 2 ** players coalitions, MOST_PLAYERS at most.

    Args:
        players: how many.
        game: asked for some coalitions at a time.

    Raises:
        OutOfTimeError: by the game.
    """
    numbers = np.arange(2**players, dtype=np.int64)
    is_in = (numbers[:, None] >> np.arange(players)) & 1 == 1
    worth = np.concatenate([game(is_in[start : start + _CHUNK]) for start in range(0, len(numbers), _CHUNK)])
    sizes = is_in.sum(axis=1)
    weight_of_size = np.array(
        [1 / (players * math.comb(players - 1, size)) for size in range(players)], dtype=np.float64
    )
    values = np.zeros(players)
    for player in range(players):
        without = numbers[~is_in[:, player]]
        gains = worth[without | (1 << player)] - worth[without]
        values[player] = float(weight_of_size[sizes[without]] @ gains)
    return Values(values, np.zeros(players), float(worth[0]), float(worth[-1]))


def sampled(
    players: int, game: Game, *, is_time_up: Callable[[], bool], most_pairs: int = _MOST_PAIRS, tolerance: float = 0.0
) -> Values:
    """By random orders in which the players join, each followed by its reverse, until the time is up.

    In every order the gains add up to `whole - base`, so their means do too. For models without interactions of more
    than two inputs a pair of opposite orders is exact already.

    Args:
        players: how many, at least 1.
        game: asked for some coalitions at a time.
        is_time_up: asked before every call of the game.
        most_pairs: stop after so many pairs of orders.
        tolerance: stop when no standard error is larger than this share of the largest value.

    Raises:
        OutOfTimeError: not even one order was finished.
    """
    random = np.random.default_rng(_SEED)
    ends = game(np.array([[False] * players, [True] * players]))
    base, whole = float(ends[0]), float(ends[1])
    pairs: list[NDArray[np.float64]] = []
    single: NDArray[np.float64] | None = None
    while len(pairs) < most_pairs:
        order = random.permutation(players)
        forth = _gains(order, game, base, whole, is_time_up)
        back = None if forth is None else _gains(order[::-1], game, base, whole, is_time_up)
        if forth is None or back is None:
            single = forth if single is None else single
            break
        pairs.append((forth + back) / 2)
        if _is_settled(pairs, tolerance):
            break
    if not pairs:
        if single is None:
            raise OutOfTimeError
        return Values(single, np.full(players, np.inf), base, whole)
    return Values(np.mean(pairs, axis=0), _errors(pairs), base, whole)


def _gains(
    order: NDArray[np.intp], game: Game, base: float, whole: float, is_time_up: Callable[[], bool]
) -> NDArray[np.float64] | None:
    """What each player adds when they join in this order; None if the time is up."""
    players = len(order)
    joined = np.tril(np.ones((players - 1, players), dtype=bool))
    coalitions = np.zeros_like(joined)
    coalitions[:, order] = joined
    worth = [base]
    for start in range(0, len(coalitions), _CHUNK):
        if is_time_up():
            return None
        try:
            worth.extend(game(coalitions[start : start + _CHUNK]).tolist())
        except OutOfTimeError:
            return None
    gains = np.zeros(players)
    gains[order] = np.diff([*worth, whole])
    return gains


def _errors(pairs: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    if len(pairs) == 1:
        return np.full(len(pairs[0]), np.inf)
    errors: NDArray[np.float64] = np.std(pairs, axis=0, ddof=1) / math.sqrt(len(pairs))
    return errors


def _is_settled(pairs: list[NDArray[np.float64]], tolerance: float) -> bool:
    """Looked at now and then: the look itself takes time."""
    count = len(pairs)
    if count < 4 or count & (count - 1) or tolerance <= 0:  # noqa: PLR2004 - powers of two, from four pairs on
        return False
    return bool(_errors(pairs).max() <= tolerance * np.abs(np.mean(pairs, axis=0)).max())
