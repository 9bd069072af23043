"""What an endpoint answered, as people think of it: one prediction per row, with its confidence."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import overload

from modelyard.types.evaluation.explanations import Explanation

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One output tensor: `data` is flat, row-major."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: list[Value]
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One row's answer: a class with its confidence, or a value (`confidence` None, no `probabilities`)."""

    value: Value
    confidence: float | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)

    @property
    def label(self) -> Value:
        """The class (the same as `value`)."""
        return self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions(Sequence[Prediction]):
    """One answer: a sequence with a prediction per row.

    Attributes:
        inference_id: what feedback refers to.
        endpoint: that answered.
        model: version that answered ("digits:2").
        variant: of the endpoint.
        outputs: the tensors themselves, by name.
        explanations: one per row, if they were asked for; fewer where `explanation_error` says why.
        explanation_error: what kept rows from being explained.
    """

    inference_id: str
    endpoint: str
    model: str
    variant: str
    outputs: Mapping[str, Output]
    explanations: tuple[Explanation, ...] = ()
    explanation_error: str = ""

    @property
    def labels(self) -> list[Value]:
        """One label (or value) per row."""
        return [prediction.value for prediction in self]

    @property
    def confidences(self) -> list[float | None]:
        """One confidence per row; None for models without probabilities."""
        return [prediction.confidence for prediction in self]

    @property
    def rows(self) -> int:
        """How many rows were answered."""
        return min((output.shape[0] for output in self.outputs.values() if output.shape), default=0)

    def __len__(self) -> int:
        return self.rows

    @overload
    def __getitem__(self, index: int) -> Prediction: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Prediction]: ...
    def __getitem__(self, index: int | slice) -> Prediction | Sequence[Prediction]:
        if isinstance(index, slice):
            return [self._row(row) for row in range(*index.indices(self.rows))]
        if not -self.rows <= index < self.rows:
            raise IndexError(f"row {index} of {self.rows}")
        return self._row(index % self.rows)

    def __iter__(self) -> Iterator[Prediction]:
        return (self._row(row) for row in range(self.rows))

    def _row(self, row: int) -> Prediction:
        main = next(
            (self.outputs[name] for name in ("label", "prediction") if name in self.outputs),
            next(iter(self.outputs.values())),
        )
        probabilities = self._probabilities(row)
        return Prediction(
            value=main.data[row * (len(main.data) // self.rows)],
            confidence=max(probabilities.values()) if probabilities else None,
            probabilities=probabilities,
        )

    def _probabilities(self, row: int) -> dict[str, float]:
        output = self.outputs.get("probabilities")
        if output is None:
            return {}
        width = output.shape[-1]
        names = output.columns if len(output.columns) == width else tuple(map(str, range(width)))
        values = output.data[row * width : (row + 1) * width]
        return {name: float(value or 0.0) for name, value in zip(names, values, strict=True)}
