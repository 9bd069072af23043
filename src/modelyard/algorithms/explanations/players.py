"""What an answer is attributed to: the columns of tables, the patches of images; and rows that mix two sources."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.runtimes.base import Tensors
from modelyard.types.signatures import Scalar, Signature, TensorSpec

PATCHES = 8
"""An image is cut into at most PATCHES x PATCHES parts: single pixels say nothing to people."""

_MATRIX, _IMAGE, _COLOUR = 2, 3, 4
_MAX_CHANNELS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Player:
    """One part of the input: the elements of `tensor`'s row at which `mask` (the shape of a row) is true."""

    name: str
    tensor: str
    mask: NDArray[np.bool_]

    def value(self, row: Tensors) -> Scalar | None:
        """Its value in a batch of one row; None if it is several elements, or missing."""
        chosen = np.asarray(row[self.tensor])[0][self.mask]
        if chosen.size != 1:
            return None
        value: Any = chosen.reshape(-1)[0]
        if isinstance(value, np.floating):
            value = float(str(value))  # 42.1 as float32, which is 42.099998474121094 as a float, was sent as 42.1
        elif isinstance(value, np.generic):
            value = value.item()
        is_missing = value == "" or (isinstance(value, float) and not math.isfinite(value))
        return None if is_missing else value


def find_players(signature: Signature, row: Tensors) -> tuple[Player, ...]:
    """The players of a batch of one row, in the order of the signature."""
    return tuple(player for spec in signature.inputs for player in _of_tensor(spec, np.asarray(row[spec.name])[0]))


def mixed(players: Sequence[Player], row: Tensors, background: Tensors, coalitions: NDArray[np.bool_]) -> Tensors:
    """For every coalition, all background rows with the coalition's players taken from `row`.

    Args:
        players: p of them.
        row: a batch of one.
        background: b rows.
        coalitions: (c, p).

    Returns:
        c * b rows, the background's of the first coalition first.
    """
    found: Tensors = {}
    for name, rest in background.items():
        flat = rest.reshape(len(rest), -1)
        owner = np.zeros(flat.shape[1], dtype=np.intp)
        for number, player in enumerate(players):
            if player.tensor == name:
                owner[player.mask.reshape(-1)] = number
        is_mine = coalitions[:, owner][:, None, :]
        chosen = np.where(is_mine, np.asarray(row[name]).reshape(1, 1, -1), flat[None, :, :])
        found[name] = chosen.reshape(-1, *rest.shape[1:]).astype(rest.dtype, copy=False)
    return found


def _of_tensor(spec: TensorSpec, row: NDArray[Any]) -> list[Player]:
    if row.ndim + 1 == _MATRIX:
        names = spec.columns if len(spec.columns) == len(row) else _numbered(spec.name, len(row))
        return [Player(name, spec.name, np.arange(len(row)) == index) for index, name in enumerate(names)]
    if _is_image(row):
        return _patches(spec.name, row)
    return [Player(spec.name, spec.name, np.ones(row.shape, dtype=bool))]


def _patches(name: str, row: NDArray[Any]) -> list[Player]:
    found = []
    for top, bottom in _cuts(row.shape[0]):
        for left, right in _cuts(row.shape[1]):
            mask = np.zeros(row.shape, dtype=bool)
            mask[top:bottom, left:right] = True
            found.append(Player(f"{name} rows {top}-{bottom - 1}, columns {left}-{right - 1}", name, mask))
    return found


def _cuts(size: int) -> list[tuple[int, int]]:
    edges = np.unique(np.linspace(0, size, min(PATCHES, size) + 1).round().astype(int)).tolist()
    return [*pairwise(edges)]


def _is_image(row: NDArray[Any]) -> bool:
    rank = row.ndim + 1
    return row.dtype != object and (rank == _IMAGE or (rank == _COLOUR and row.shape[2] <= _MAX_CHANNELS))


def _numbered(name: str, count: int) -> tuple[str, ...]:
    return (name,) if count == 1 else tuple(f"{name}.{index}" for index in range(count))
