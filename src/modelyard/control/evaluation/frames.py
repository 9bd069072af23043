"""Rows as columns of numbers, some 50 bytes each: a million of them fit into memory and are grouped fast."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.evaluation.calibration import brier_of_rows
from modelyard.algorithms.evaluation.challenge import CLASSIFICATION, REGRESSION
from modelyard.algorithms.preparation.classes import texts
from modelyard.control.feedback.service import label
from modelyard.runtimes.base import Tensors
from modelyard.types.signatures import Scalar

UNKNOWN = -1
"""Class number of a truth that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Rows of one version whose tensors have one layout. `truth` has one value per row, None where unknown.

    `masked`: the columns that were hashed or dropped in all of them.
    """

    version: str
    inputs: Tensors
    outputs: Tensors
    truth: list[Scalar | None]
    at_ns: NDArray[np.int64]
    variant: NDArray[Any]
    masked: tuple[str, ...] = ()

    @property
    def task(self) -> str:
        """By what the version answers; empty for answers that have no quality."""
        return CLASSIFICATION if "label" in self.outputs else REGRESSION if "prediction" in self.outputs else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Rows as columns, (n,) each.

    Attributes:
        task: what all the rows are.
        classes: what the class numbers in `truth` and `answer` mean; empty for regression.
        versions: what the numbers in `version` mean.
        variants: what the numbers in `variant` mean.
        version: number of the version that answered.
        variant: number of the variant.
        day: datetime64[D], UTC.
        truth: class number, UNKNOWN where unknown; or the number, NaN where unknown.
        answer: class number, or the number.
        confidence: probability of the answer; NaN where the version gives none.
        given: probability of the true class; NaN likewise and where the truth is unknown.
        brier: squared distance of the probabilities to the truth; NaN likewise.
        score: probability of the class that was asked for; NaN where there is none.
        column: values of the column that was asked for.
        is_cut: there are more rows than were asked for.
        since: time of the first row.
        until: time of the last row.
    """

    task: str = ""
    classes: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    version: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    variant: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    day: NDArray[Any] = field(default_factory=lambda: np.zeros(0, "datetime64[D]"))
    truth: NDArray[Any] = field(default_factory=lambda: np.zeros(0))
    answer: NDArray[Any] = field(default_factory=lambda: np.zeros(0))
    confidence: NDArray[Any] = field(default_factory=lambda: np.zeros(0))
    given: NDArray[Any] = field(default_factory=lambda: np.zeros(0))
    brier: NDArray[Any] = field(default_factory=lambda: np.zeros(0))
    score: NDArray[Any] = field(default_factory=lambda: np.zeros(0))
    column: NDArray[Any] | None = None
    is_cut: bool = False
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_labelled(self) -> NDArray[np.bool_]:
        """Which rows have a truth."""
        is_known: NDArray[np.bool_] = self.truth != UNKNOWN
        return is_known if self.task == CLASSIFICATION else np.isfinite(self.truth)


class FrameBuilder:
    """Grows a frame block by block.

    Args:
        favourable: the class whose probability is kept as `score`.
    """

    def __init__(self, favourable: str | None) -> None:
        self.task = ""
        self.rows = 0
        self.is_cut = False
        self._favourable = favourable
        self._classes: dict[str, int] = {}
        self._versions: dict[str, int] = {}
        self._variants: dict[str, int] = {}
        self._parts: dict[str, list[NDArray[Any]]] = {}
        self._times: list[int] = []

    def add(self, block: Block, class_names: Sequence[str], column: NDArray[Any] | None) -> None:
        """Take a block of the frame's task; `class_names` are those of the columns of its probabilities."""
        self.task, count = block.task, len(block.truth)
        self.rows += count
        self._times += [int(block.at_ns.min()), int(block.at_ns.max())]
        version = self._versions.setdefault(block.version, len(self._versions))
        parts = {
            "version": np.full(count, version, dtype=np.int32),
            "variant": _numbered(block.variant, self._variants),
            "day": block.at_ns.astype("datetime64[ns]").astype("datetime64[D]"),
            **(self._classified(block, class_names) if block.task == CLASSIFICATION else _measured(block)),
        }
        if column is not None:
            parts["column"] = column
        for name, values in parts.items():
            self._parts.setdefault(name, []).append(values)

    def frame(self, rows: int) -> Frame:
        """What was added, without the oldest rows of the last block that are over `rows`."""
        if not self.rows:
            return Frame()
        kinds = {part.dtype == object for part in self._parts.get("column", ())}
        if len(kinds) > 1:  # text in one version, a number in another
            self._parts["column"] = [part.astype(str).astype(object) for part in self._parts["column"]]
        excess = max(0, self.rows - rows)
        arrays: dict[str, Any] = {
            name: np.concatenate([*parts[:-1], parts[-1][excess:]]) for name, parts in self._parts.items()
        }
        return Frame(
            task=self.task,
            classes=tuple(self._classes),
            versions=tuple(self._versions),
            variants=tuple(self._variants),
            is_cut=self.is_cut or self.rows > rows,
            since=_moment(min(self._times)),
            until=_moment(max(self._times)),
            **arrays,
        )

    def _classified(self, block: Block, class_names: Sequence[str]) -> dict[str, NDArray[Any]]:
        answer = _numbered(texts(np.asarray(block.outputs["label"]).reshape(-1)), self._classes)
        known = np.array([value is not None for value in block.truth])
        truth = np.full(len(known), UNKNOWN, dtype=np.int32)
        truth[known] = _numbered(np.array([label(v) for v in block.truth if v is not None], object), self._classes)
        probabilities = block.outputs.get("probabilities")
        blank = np.full(len(known), np.nan, dtype=np.float32)
        found = {"truth": truth, "answer": answer}
        if probabilities is None or probabilities.shape != (len(known), len(class_names)):
            return {**found, "confidence": blank, "given": blank, "brier": blank, "score": blank}
        numbers = [self._classes.setdefault(str(label(name)), len(self._classes)) for name in class_names]
        place = np.full(len(self._classes) + 1, UNKNOWN)
        place[numbers] = np.arange(len(numbers))
        of_truth = place[truth]  # an unknown truth takes the last entry, which is UNKNOWN
        given = np.where(of_truth >= 0, probabilities[np.arange(len(known)), of_truth], 0.0).astype(np.float32)
        asked = self._classes.get(str(self._favourable))
        score = blank if asked is None or place[asked] < 0 else probabilities[:, place[asked]].astype(np.float32)
        confidence = probabilities[np.arange(len(known)), place[answer]].astype(np.float32)
        return {
            **found,
            "confidence": np.where(place[answer] >= 0, confidence, np.nan).astype(np.float32),
            "given": np.where(known, given, np.nan),
            "brier": np.where(known, brier_of_rows(probabilities, given), np.nan).astype(np.float32),
            "score": score,
        }


def _moment(at_ns: int) -> datetime:
    """Cut off to microseconds, as everywhere in control."""
    moment: datetime = np.datetime64(at_ns // 1000, "us").item()
    return moment.replace(tzinfo=UTC)


def _measured(block: Block) -> dict[str, NDArray[Any]]:
    answer = np.asarray(block.outputs["prediction"], dtype=np.float64).reshape(-1)
    blank = np.full(len(answer), np.nan, dtype=np.float32)
    truth = np.array([_number(value) for value in block.truth])
    return {"truth": truth, "answer": answer, "confidence": blank, "given": blank, "brier": blank, "score": blank}


def _numbered(values: NDArray[Any], known: dict[str, int]) -> NDArray[np.int32]:
    """Texts as numbers; new ones get the next."""
    if not len(values):
        return np.zeros(0, dtype=np.int32)
    found, of_row = np.unique(values.astype(str), return_inverse=True)
    numbers = [known.setdefault(str(name), len(known)) for name in found.tolist()]
    return np.array(numbers, dtype=np.int32)[of_row]


def _number(value: Scalar | None) -> float:
    try:
        number = float(value) if value is not None else np.nan
    except ValueError:
        return np.nan
    return number if np.isfinite(number) else np.nan
