"""What is tried against the gate, and against the rollout where the gate is blind by construction."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from modelyard.testing.loop.concepts import Table

Spoil = Callable[[Table, np.random.Generator], Table]

NEW_REGION = "isles"
LARGE_ROWS = 800
_FAR = 8.0
_STRICT: Mapping[str, object] = {"slowdown_floor_ms": 0.0}
_BLIND: Mapping[str, object] = {"significance_level": 0.5, "maximum_slice_loss": 1.0, "replay_requests": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sabotage:
    """One kind.

    Attributes:
        kind: of the saboteur; "" is a sound retraining.
        named: words of which the reason of the end must have some.
        gate: rules of the policy meanwhile, besides the defaults.
        minimum_gain: of the policy meanwhile.
        seconds: how long a stage of the rollout lasts.
        live: what becomes of some of the requests once the version has passed the gate; None: they stay as they were.
        has_large_requests: large ones come as well from then on.
    """

    kind: str
    named: tuple[str, ...]
    gate: Mapping[str, object] = field(default_factory=dict)
    minimum_gain: float = 0.02
    seconds: float = 15.0
    live: Spoil | None = None
    has_large_requests: bool = False

    @property
    def shows_later(self) -> bool:
        """Nothing that there was before the gate shows the flaw."""
        return self.live is not None or self.has_large_requests


def _new_region(table: Table, _: np.random.Generator) -> Table:
    return replace(table, regions=[NEW_REGION, *table.regions[1:]])


def _far_value(table: Table, _: np.random.Generator) -> Table:
    numbers = table.numbers.copy()
    numbers[0, 2] = _FAR
    return replace(table, numbers=numbers)


AT_THE_GATE = (
    Sabotage(
        kind="shuffled labels",
        named=(
            "it is not better by the required 0.02 on the new rows",
            "better by 0.02 on the new rows is not certain",
        ),
    ),
    Sabotage(kind="bug in one slice", named=("it is worse where region = 'north'",)),
    Sabotage(kind="twice as slow", named=("times the time of",), gate=_STRICT),
    Sabotage(kind="NaN outputs", named=("it answers NaN in 'probabilities'",)),
    Sabotage(kind="wrong signature", named=("its input 'numeric' is FP32 [-1, 2] instead of FP32 [-1, 3]",)),
)
"""The retraining is otherwise as good as one can be. The gate is what policies have by default; only the model that
takes a few hundredths of a millisecond more meets one without the floor below which slowness does not matter."""

BEHIND_IT = (
    Sabotage(kind="shuffled labels", named=("its accuracy is",), gate=_BLIND, minimum_gain=-1.0, seconds=45.0),
    Sabotage(kind="much slower", named=("times as long as the old version's",), gate=_BLIND, minimum_gain=-1.0),
    Sabotage(
        kind="fails on a region that comes later", named=("requests failed",), minimum_gain=-1.0, live=_new_region
    ),
    Sabotage(
        kind="NaN on values that come later", named=("rows were answered with NaN",), minimum_gain=-1.0, live=_far_value
    ),
    Sabotage(
        kind="slow for large requests",
        named=("times as long as the old version's",),
        minimum_gain=-1.0,
        seconds=45.0,  # as many as it takes to compare, on a busy machine too
        has_large_requests=True,
    ),
)
"""The first two pass because their policy asks for no gain, tolerates any loss and replays nothing. The others pass the
full gate, which cannot see them: what shows the flaw comes after the proof, or is not what most requests are like."""

SOUND = Sabotage(kind="", named=())
EQUAL = replace(SOUND, minimum_gain=-0.05)
"""A retraining without need: as good as what serves."""
