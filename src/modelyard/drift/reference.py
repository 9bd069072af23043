"""The reference sketch of a model version (`reference.json` of its bundle) and the window sketches to compare with it.

A sketch is deterministic: equal data give equal bytes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelyard.drift.features import Tensors, columns
from modelyard.drift.repeats import repeat_curve, row_hashes
from modelyard.drift.sketches import CategorySketch, NumberSketch, Sketch
from modelyard.errors import InvalidInputError
from modelyard.types.signatures import Signature

_FORMAT = 1


class ReferenceInvalidError(InvalidInputError):
    """A reference sketch that cannot be read or made."""

    code = "drift_reference_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceSketch:
    """What a version's data looked like at training: one sketch per column, and how often rows repeat.

    `repeats` holds (sample size, share of repeated rows) for growing samples.
    """

    format: int = _FORMAT
    signature: Signature
    rows: int
    numbers: dict[str, NumberSketch] = field(default_factory=dict)
    categories: dict[str, CategorySketch] = field(default_factory=dict)
    repeats: tuple[tuple[int, float], ...] = ()

    def to_json(self) -> bytes:
        """The content of `reference.json`; equal sketches give equal bytes."""
        return msgspec.json.encode(self)

    @staticmethod
    def from_json(content: bytes | str) -> "ReferenceSketch":
        """Read `reference.json`.

        Raises:
            ReferenceInvalidError: damaged, or of a format that this version does not know.
        """
        try:
            sketch = msgspec.json.decode(content, type=ReferenceSketch)
        except msgspec.DecodeError as error:
            raise ReferenceInvalidError(
                f"The drift reference cannot be read: {error}", hint="Register the version again."
            ) from error
        if sketch.format != _FORMAT:
            raise ReferenceInvalidError(
                f"The drift reference has format {sketch.format}, this program reads {_FORMAT}",
                hint="Update Modelyard, or register the version again.",
            )
        return sketch

    @property
    def columns(self) -> dict[str, Sketch]:
        """All column sketches by name."""
        return {**self.numbers, **self.categories}


def build_reference(signature: Signature, inputs: Tensors, outputs: Tensors) -> ReferenceSketch:
    """Sketch what a model's data and answers look like when nothing has drifted.

    Give rows like the training data that the model did not learn from (the held-out part): on rows that it has learnt
    it is surer than it will ever be on traffic, and healthy traffic would look like drift.

    Args:
        signature: names the tensors and the columns in them.
        inputs: all input tensors, first dimension n rows. NaN, infinity and "" count as missing.
        outputs: the model's answers to these rows; may be empty (then predictions are not watched).

    Raises:
        ReferenceInvalidError: no rows, or tensors of unequal length.
    """
    rows = _rows({**{f"in {name}": t for name, t in inputs.items()}, **outputs})
    numbers: dict[str, NumberSketch] = {}
    categories: dict[str, CategorySketch] = {}
    for column in columns(signature, inputs, outputs):
        if column.kind == "number":
            numbers[column.name] = NumberSketch.of_reference(column.values)
        else:
            categories[column.name] = CategorySketch.of_reference(column.values)
    return ReferenceSketch(
        signature=signature,
        rows=rows,
        numbers=numbers,
        categories=categories,
        repeats=repeat_curve(row_hashes(inputs)),
    )


class WindowSketch:
    """A window of traffic in the reference's own bins. Grows by batches; its size does not depend on the traffic.

    (8 bytes per row are kept besides, to recognise rows that repeat.) Not thread-safe.
    """

    def __init__(self, reference: ReferenceSketch) -> None:
        self.reference = reference
        self.rows = 0
        self.columns: dict[str, Sketch] = {name: sketch.empty() for name, sketch in reference.columns.items()}
        self._hashes: list[NDArray[np.uint64]] = []

    def add(self, inputs: Tensors, outputs: Tensors) -> None:
        """Count a batch. Columns that the reference does not know are left out."""
        self.rows += _rows(inputs)
        self._hashes.append(row_hashes(inputs))
        for column in columns(self.reference.signature, inputs, outputs):
            known = self.columns.get(column.name)
            if known is not None and isinstance(known, NumberSketch) == (column.kind == "number"):
                self.columns[column.name] = known.with_values(column.values)

    def merge(self, other: "WindowSketch") -> None:
        """Count everything that `other`, a window over the same reference, has counted."""
        self.rows += other.rows
        self._hashes.extend(other._hashes)  # noqa: SLF001 - the same class
        for name, sketch in other.columns.items():
            self.columns[name] = self.columns[name].merged(sketch)  # type: ignore[arg-type] # same kind by reference

    @property
    def hashes(self) -> NDArray[np.uint64]:
        """One hash per row."""
        return np.concatenate(self._hashes) if self._hashes else np.zeros(0, dtype=np.uint64)


def window_of(reference: ReferenceSketch, batches: Iterable[tuple[Tensors, Tensors]]) -> WindowSketch:
    """A window over (inputs, outputs) batches."""
    window = WindowSketch(reference)
    for inputs, outputs in batches:
        window.add(inputs, outputs)
    return window


def _rows(tensors: Tensors) -> int:
    counts = {len(tensor) for tensor in tensors.values()}
    if len(counts) != 1 or 0 in counts:
        raise ReferenceInvalidError(
            f"All tensors need the same number of rows, at least one; these have {sorted(counts) or 'none'}",
            hint="Give tensors whose first dimension is the batch.",
        )
    return counts.pop()
