"""Hyper-parameters of boosted trees that change from a certain round on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from modelyard.algorithms.errors import HyperparameterInvalidError
from modelyard.algorithms.hyperparameters import checked
from modelyard.algorithms.tables.boosted.hyperparameters import HYPERPARAMETERS
from modelyard.types.signatures import Scalar

CHANGEABLE = ("learning_rate", "max_depth", "min_child_weight", "subsample", "colsample_bytree", "reg_lambda")
_MOST_STAGES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """From round `start` on, counted from 0, these hyper-parameters count."""

    start: int
    given: Mapping[str, Scalar]


def write_schedule(stages: Sequence[tuple[int, Mapping[str, Scalar]]]) -> str:
    """The hyper-parameter `schedule`: rounds, and what counts from there on."""
    return msgspec.json.encode([{"from": start, **given} for start, given in stages]).decode()


def read_schedule(given: Mapping[str, Scalar]) -> tuple[Stage, ...]:
    """The stages of a training, the first from round 0 on, each with all hyper-parameters that can change.

    Raises:
        HyperparameterInvalidError: `schedule` is no list of stages in order, or changes what cannot change, or not so.
    """
    stages = [Stage(start=0, given={name: given[name] for name in CHANGEABLE})]
    for each in _decoded(str(given["schedule"])):
        start = each.pop("from", None)
        if not isinstance(start, int) or start < stages[-1].start or set(each) - set(CHANGEABLE):
            raise _invalid("each stage has its round 'from', in order, and numbers by name")
        found = Stage(start=start, given={**stages[-1].given, **checked(HYPERPARAMETERS, each)})
        stages = [*stages[:-1], found] if start == stages[-1].start else [*stages, found]
    return tuple(stages)


def _decoded(text: str) -> list[dict[str, float | int]]:
    if not text:
        return []
    try:
        found = msgspec.json.decode(text, type=list[dict[str, float | int]])
    except msgspec.MsgspecError as error:
        raise _invalid(f"it cannot be read: {error}") from error
    if len(found) > _MOST_STAGES:
        raise _invalid(f"it has {len(found):,} stages, {_MOST_STAGES:,} are the most")
    return found


def _invalid(reason: str) -> HyperparameterInvalidError:
    return HyperparameterInvalidError(
        f"Hyper-parameter 'schedule' cannot be used: {reason}",
        hint=f'Write it like [{{"from": 100, "learning_rate": 0.05}}]; it may change {", ".join(CHANGEABLE)}.',
        field="hyperparameters.schedule",
    )
