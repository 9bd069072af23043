"""Live figures by name, as rules look at them, and what their names say of them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median

from modelyard.kit.metric_names import is_loss, is_score, words_of

_MOST_NAMES = 2000
_MOST_VALUES = 2000
_TRAINING = ("train", "training", "batch")
_VALIDATION = ("val", "valid", "validation", "eval", "test", "dev")
_FINAL = "holdout"  # measured once, when all is over


class Part(StrEnum):
    """On which rows a figure is measured."""

    TRAINING = "training"
    VALIDATION = "validation"


@dataclass(slots=True)
class Curve:
    """The values of one figure in the order in which they came; old ones are thinned out beyond 2,000."""

    name: str
    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def add(self, step: int, value: float) -> None:
        """One more value."""
        self.steps.append(step)
        self.values.append(value)
        if len(self.values) > _MOST_VALUES:
            old = slice(1, _MOST_VALUES // 2, 2)
            del self.steps[old], self.values[old]

    def smooth(self) -> list[float]:
        """Each value as the median of it and its two predecessors: one bad batch is no trend."""
        return [median(self.values[max(0, index - 2) : index + 1]) for index in range(len(self.values))]

    def at(self, step: int) -> float | None:
        """The value at a step, or at the last one before it."""
        known = [value for each, value in zip(self.steps, self.smooth(), strict=True) if each <= step]
        return known[-1] if known else None


class Curves:
    """All figures of one job."""

    def __init__(self) -> None:
        self._curves: dict[str, Curve] = {}

    def add(self, name: str, step: int, value: float) -> None:
        """One more value; a figure beyond the first 2,000 names is not looked at."""
        if name not in self._curves and len(self._curves) >= _MOST_NAMES:
            return
        self._curves.setdefault(name, Curve(name)).add(step, value)

    def get(self, name: str) -> Curve | None:
        """The figure of this name."""
        return self._curves.get(name)

    def below(self, prefix: str) -> dict[str, Curve]:
        """Figures `prefix/<rest>` by their rest."""
        start = f"{prefix}/"
        return {name.removeprefix(start): each for name, each in self._curves.items() if name.startswith(start)}

    def losses(self, part: Part) -> list[Curve]:
        """Figures that fall when a model learns."""
        return [each for each in self._plain() if part_of(each.name) is part and is_loss(each.name)]

    def scores(self, part: Part) -> list[Curve]:
        """Figures that rise when a model learns."""
        return [each for each in self._plain() if part_of(each.name) is part and is_score(each.name)]

    def _plain(self) -> Iterator[Curve]:
        return (each for name, each in self._curves.items() if "/" not in name or part_of(name) is not None)


def part_of(name: str) -> Part | None:
    """On which rows a figure is measured, by its name: "val_loss", "loss"; None: once at the end, or nobody knows."""
    words = words_of(name)
    if _FINAL in words or not words:
        return None
    if words[0] in _VALIDATION or words[-1] in _VALIDATION:
        return Part.VALIDATION
    return Part.TRAINING if words[0] in _TRAINING or "/" not in name else None


def base_of(name: str) -> str:
    """A figure's name without the part: "loss" for "train_loss" and "validation/loss"."""
    return "_".join(word for word in words_of(name) if word not in (*_TRAINING, *_VALIDATION))
