"""What the world of the loop looks like: rows of a table, and a rule for their labels that may change."""

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

COLUMNS = ("x", "y", "z", "region")
TARGET = "label"
REGIONS = ("north", "south", "east", "west")
_FLIPPED = 0.02
"""Share of labels that follow no rule: nothing can be right about more than the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """Three numbers around `centre` and a region; the label is "yes" where the weighted sum is above 0."""

    weights: tuple[float, float, float]
    centre: float = 0.0

    def towards(self, other: Self, share: float) -> Self:
        """The concept on the way to another."""
        pairs = zip(self.weights, other.weights, strict=True)
        weights = [(1 - share) * mine + share * theirs for mine, theirs in pairs]
        centre = (1 - share) * self.centre + share * other.centre
        return replace(self, weights=(weights[0], weights[1], weights[2]), centre=centre)

    def draw(self, rows: int, random: np.random.Generator) -> "Table":
        """Fresh rows with their labels."""
        numbers = random.normal(0, 1, (rows, 3))
        numbers[:, 0] += self.centre
        regions = random.choice(REGIONS, rows)
        margin = (numbers - np.array([self.centre, 0, 0])) @ np.array(self.weights)
        labels = (margin > 0) ^ (random.random(rows) < _FLIPPED)
        return Table(
            numbers=numbers.round(4),
            regions=[str(region) for region in regions],
            labels=["yes" if label else "no" for label in labels],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows with labels. `numbers` is (n, 3)."""

    numbers: Any
    regions: list[str]
    labels: list[str]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Of a CSV file with all columns, in any order."""
        with path.open(newline="") as file:
            rows = [*csv.DictReader(file)]
        numbers = np.array([[float(row[name]) for name in COLUMNS[:3]] for row in rows])
        return cls(numbers=numbers, regions=[row[COLUMNS[3]] for row in rows], labels=[row[TARGET] for row in rows])

    def rows_where(self, chosen: Any) -> Self:
        """Those rows of which `chosen`, (n,) bool, is true."""
        places = np.flatnonzero(chosen).tolist()
        return replace(
            self,
            numbers=self.numbers[places],
            regions=[self.regions[place] for place in places],
            labels=[self.labels[place] for place in places],
        )

    def rows(self) -> list[dict[str, object]]:
        """As an application sends them."""
        triples = zip(self.numbers.tolist(), self.regions, strict=True)
        return [dict(zip(COLUMNS, (*numbers, region), strict=True)) for numbers, region in triples]

    def csv(self, columns: tuple[str, ...] = COLUMNS) -> str:
        """As a dataset, with the target last."""
        cells = [[*map(str, row.values()), label] for row, label in zip(self.rows(), self.labels, strict=True)]
        kept = [place for place, name in enumerate((*COLUMNS, TARGET)) if name in (*columns, TARGET)]
        lines = [",".join((*(name for name in COLUMNS if name in columns), TARGET))]
        return "\n".join(lines + [",".join(row[place] for place in kept) for row in cells]) + "\n"


BEFORE = Concept(weights=(2.0, -1.0, 0.0))
AFTER = Concept(weights=(1.0, 1.0, 1.5))
MOVED = replace(AFTER, centre=1.5)
"""AFTER, with inputs that a monitor sees move."""
