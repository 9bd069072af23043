"""The reference sketch of a model version (`reference.json` of its bundle) and the window sketches to compare with it.

A sketch is deterministic: equal data give equal bytes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelyard.drift.features import CONFIDENCE, PROBABILITY, Tensors, columns, prose
from modelyard.drift.quality.calibration import Calibration, calibrate
from modelyard.drift.quality.error_model import LEAST_ROWS, ErrorModel
from modelyard.drift.repeats import RepeatSketch, repeat_curve, row_hashes
from modelyard.drift.samples import REFERENCE_ROWS, RowSample, codes_of, encode, pack
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

    Attributes:
        repeats: (sample size, share of repeated rows) for growing samples.
        texts: input columns that hold prose.
        sample: some hundred whole rows (`samples.pack`), aligned over its columns.
        calibrations: by column (the confidence; of two classes also the second's probability) how often the model is
            right, from rows with known truth; empty where no truth was known.
        errors: of a regression how large its errors are on which rows, likewise; None: not known.
    """

    format: int = _FORMAT
    signature: Signature
    rows: int
    numbers: dict[str, NumberSketch] = field(default_factory=dict)
    categories: dict[str, CategorySketch] = field(default_factory=dict)
    repeats: tuple[tuple[int, float], ...] = ()
    texts: tuple[str, ...] = ()
    sample: dict[str, str] = field(default_factory=dict)
    calibrations: dict[str, Calibration] = field(default_factory=dict)
    errors: ErrorModel | None = None

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


def build_reference(
    signature: Signature, inputs: Tensors, outputs: Tensors, *, texts: tuple[str, ...] | None = None
) -> ReferenceSketch:
    """Sketch what a model's data and answers look like when nothing has drifted.

    Give rows like the training data that the model did not learn from (the held-out part): on rows that it has learnt
    it is surer than it will ever be on traffic, and healthy traffic would look like drift.

    Args:
        signature: names the tensors and the columns in them.
        inputs: all input tensors, first dimension n rows. NaN, infinity and "" count as missing.
        outputs: the model's answers to these rows; may be empty (then predictions are not watched).
        texts: the columns that hold prose; None: those that look like it.

    Raises:
        ReferenceInvalidError: no rows, or tensors of unequal length.
    """
    rows = _rows({**{f"in {name}": t for name, t in inputs.items()}, **outputs})
    numbers: dict[str, NumberSketch] = {}
    categories: dict[str, CategorySketch] = {}
    texts = prose(signature, inputs) if texts is None else texts
    found = columns(signature, inputs, outputs, texts)
    for column in found:
        if column.kind == "number":
            numbers[column.name] = NumberSketch.of_reference(column.values)
        else:
            categories[column.name] = CategorySketch.of_reference(column.values)
    reference = ReferenceSketch(
        signature=signature,
        rows=rows,
        numbers=numbers,
        categories=categories,
        repeats=repeat_curve(row_hashes(inputs)),
        texts=texts,
    )
    return with_sample(reference, inputs, outputs)


def with_sample(reference: ReferenceSketch, inputs: Tensors, outputs: Tensors) -> ReferenceSketch:
    """The reference with a sample of these rows in the place of its own."""
    sample = RowSample(reference.columns, REFERENCE_ROWS)
    found = columns(reference.signature, inputs, outputs, reference.texts)
    known = reference.columns
    sample.add([column for column in found if column.name in known], _rows(inputs))
    return replace(reference, sample=pack(sample.columns))


def with_truth(reference: ReferenceSketch, outputs: Tensors, right: NDArray[np.bool_]) -> ReferenceSketch:
    """The reference of a classifier with its calibrations, learnt from answers that are known to be right or wrong.

    Args:
        reference: with the columns of the answers.
        outputs: the model's answers to n rows that it did not learn from.
        right: whether the label is the true one, (n,).
    """
    if "probabilities" not in outputs:
        return reference
    calibrations: dict[str, Calibration] = {}
    for column in columns(reference.signature, {}, {"probabilities": outputs["probabilities"]}, ()):
        sketch = reference.numbers.get(column.name)
        if sketch is None:
            continue
        if column.name == CONFIDENCE:
            calibrations[column.name] = calibrate(sketch, column.values, right)
        elif column.name.startswith(PROBABILITY) and outputs["probabilities"].shape[1:] == (2,):
            is_second = outputs["probabilities"].argmax(axis=1) == 1
            calibrations[column.name] = calibrate(sketch, column.values, is_second == right)
    return replace(reference, calibrations=calibrations)


def with_errors(
    reference: ReferenceSketch, inputs: Tensors, outputs: Tensors, errors: NDArray[np.floating]
) -> ReferenceSketch:
    """The reference of a regression that knows on which rows its errors are large; unchanged if the rows are too few.

    Args:
        reference: with the columns of the inputs and answers.
        inputs: n rows that the model did not learn from.
        outputs: the answers to them.
        errors: answer minus truth, (n,).
    """
    known, is_known = reference.columns, np.isfinite(errors)
    codes = {name: codes_of(sketch) for name, sketch in reference.categories.items()}
    found = {
        column.name: encode(column.values, codes.get(column.name))[is_known]
        for column in columns(reference.signature, inputs, outputs, reference.texts)
        if column.name in known
    }
    if not found or is_known.sum() < LEAST_ROWS:
        return reference
    return replace(reference, errors=ErrorModel.fit(found, errors[is_known]))


class WindowSketch:
    """A window of traffic in the reference's own bins. Grows by batches; its size does not depend on the traffic.

    Not thread-safe.
    """

    def __init__(self, reference: ReferenceSketch) -> None:
        self.reference = reference
        self.rows = 0
        self.columns: dict[str, Sketch] = {name: sketch.empty() for name, sketch in reference.columns.items()}
        self.repeats = RepeatSketch()
        self.sample = RowSample(self.columns)

    def add(self, inputs: Tensors, outputs: Tensors) -> None:
        """Count a batch. Columns that the reference does not know are left out."""
        rows = _rows(inputs)
        self.rows += rows
        self.repeats = self.repeats.with_hashes(row_hashes(inputs))
        found = [
            column
            for column in columns(self.reference.signature, inputs, outputs, self.reference.texts)
            if isinstance(self.columns.get(column.name), NumberSketch if column.kind == "number" else CategorySketch)
        ]
        for column in found:
            self.columns[column.name] = self.columns[column.name].with_values(column.values)
        self.sample.add(found, rows)

    def merge(self, other: "WindowSketch") -> None:
        """Count everything that `other`, a window over the same reference, has counted."""
        self.rows += other.rows
        self.repeats = self.repeats.merged(other.repeats)
        self.sample.merge(other.sample)
        for name, sketch in other.columns.items():
            self.columns[name] = self.columns[name].merged(sketch)  # type: ignore[arg-type] # same kind by reference


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
