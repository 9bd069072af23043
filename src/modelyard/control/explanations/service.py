"""Explanations of given rows and of captured inferences, by the version that runs."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from modelyard.algorithms.explanations.graphs import TreeModel
from modelyard.algorithms.explanations.shapley import OutOfTimeError
from modelyard.control.captures.batches import BatchFilter
from modelyard.control.captures.errors import InferenceNotFoundError
from modelyard.control.captures.masked import column_masked, masked_inputs
from modelyard.control.captures.parquet import Captured
from modelyard.control.captures.service import CaptureService
from modelyard.control.evaluation.asking import AskedVariant, RunningModels
from modelyard.control.explanations.background import Backgrounds
from modelyard.control.explanations.errors import ExplanationImpossibleError, ExplanationTooSlowError
from modelyard.control.explanations.explaining import Explained, Explainer
from modelyard.control.explanations.inputs import row_of, tensors_of
from modelyard.control.feedback.service import EndpointReader
from modelyard.runtimes.base import Tensors
from modelyard.types.evaluation.explanations import Contribution, Explanation, ExplanationMethod
from modelyard.types.signatures import Scalar

_SHOWN = 3
UNITS = {"log-odds": "log-odds", "margin": "margin (log-probability above the mean of all classes)"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to explain: `inference`, or `inputs`, or `columns`.

    Attributes:
        inference: id of a captured request.
        inputs: tensors by name, as nested lists.
        columns: values by column, of one row.
        row: which row of the request.
        variant: a variant or version; None: for an inference the version that answered, else the one with most traffic.
        target: the class to explain; None: the one that the model answers.
        method: how.
        seconds: how long it may take.
        background_rows: how many rows to explain against, at most.
    """

    inference: str | None = None
    inputs: Mapping[str, Any] | None = None
    columns: Mapping[str, Scalar | None] | None = None
    row: int = 0
    variant: str | None = None
    target: str | None = None
    method: ExplanationMethod = ExplanationMethod.AUTO
    seconds: float = 5.0
    background_rows: int = 64


class ExplanationService:
    """Explains. Safe from any thread.

    Args:
        endpoints: knows the endpoints.
        captures: the requests.
        running: the models.
        backgrounds: what to explain against, and the models' trees.
    """

    def __init__(
        self, endpoints: EndpointReader, captures: CaptureService, running: RunningModels, backgrounds: Backgrounds
    ) -> None:
        self._endpoints = endpoints
        self._captures = captures
        self._running = running
        self._backgrounds = backgrounds

    def explain(self, project: str, endpoint: str, wish: Wish) -> Explanation:
        """The contributions of the inputs to one answer.

        Raises:
            NotFoundError: no such endpoint, captured inference, variant or version.
            InvalidInputError: the inputs do not fit; ExplanationImpossibleError, ExplanationTooSlowError.
            ColumnMaskedError: inputs of the captured request were hashed or dropped.
            UnavailableError: no replica answers now.
        """
        started = time.monotonic()
        deadline = started + wish.seconds
        self._endpoints.get(project, endpoint)
        captured = None if wish.inference is None else self._captured(project, endpoint, wish.inference)
        wanted = wish.variant or (captured.version if captured is not None else None)
        with self._running.ask(project, endpoint, wanted, wish.seconds) as model:
            row = _row(model, captured, wish)
            background, source = self._backgrounds.rows(project, endpoint, model, wish.background_rows)
            try:
                trees = self._trees(project, model)
                explainer = Explainer(model, row, background, trees, lambda: deadline - time.monotonic())
                found = explainer.explain(wish.method, wish.target)
            except OutOfTimeError:
                raise ExplanationTooSlowError(
                    f"{model.version} answered {model.asked_rows:,} rows in {wish.seconds:g} s, too few to explain it",
                    hint="Give more seconds or fewer background rows.",
                    field="seconds",
                ) from None
            explanation = Explanation(
                endpoint=endpoint,
                version=model.version,
                inference=wish.inference,
                row=wish.row,
                output=explainer.output.name,
                unit=found.unit,
                answer=found.values.whole,
                base=found.values.base,
                contributions=_contributions(found, row),
                method=found.method,
                background=source,
                background_rows=found.background_rows,
                asked_rows=model.asked_rows,
                seconds=time.monotonic() - started,
            )
        return replace(explanation, sentence=_sentence(explanation))

    def _captured(self, project: str, endpoint: str, inference: str) -> Captured:
        wanted = BatchFilter(project=project, endpoint=endpoint, ids=(inference, inference))
        for batch in self._captures.newest(wanted):
            for item in batch:
                return item
        raise InferenceNotFoundError(
            f"There is no captured inference '{inference[:200]}' at endpoint '{endpoint}'",
            hint="It appears about two seconds after its answer, if the endpoint captured it (`capture_share`).",
            field="inference",
        )

    def _trees(self, project: str, model: AskedVariant) -> Callable[[], TreeModel | None]:
        return lambda: self._backgrounds.trees(project, model.version)


def _row(model: AskedVariant, captured: Captured | None, wish: Wish) -> Tensors:
    if captured is not None:
        names = {spec.name for spec in model.signature.inputs}
        if set(captured.inputs) != names:
            raise ExplanationImpossibleError(
                f"{model.version} does not take the inputs of this request",
                hint=f"It takes {', '.join(sorted(names))}; explain it by the version that answered it.",
                field="variant",
            )
        hidden = masked_inputs(model.signature, captured.masked)
        if hidden:
            raise column_masked(hidden, field="inference")
        every = captured.inputs
    elif wish.columns is not None:
        every = row_of(model.signature, wish.columns)
    else:
        every = tensors_of(model.signature, wish.inputs or {})
    rows = len(next(iter(every.values())))
    if wish.row >= rows:
        raise ExplanationImpossibleError(
            f"The request has {rows} rows, there is no row {wish.row}", hint="The first row is 0.", field="row"
        )
    return {name: np.asarray(tensor[wish.row : wish.row + 1]) for name, tensor in every.items()}


def _contributions(found: Explained, row: Tensors) -> tuple[Contribution, ...]:
    made = [
        Contribution(
            feature=player.name,
            input=player.value(row),
            value=float(value),
            standard_error=float(error) if math.isfinite(error) else abs(float(value)),
        )
        for player, value, error in zip(found.players, found.values.values, found.values.errors, strict=True)
    ]
    return tuple(sorted(made, key=lambda each: -abs(each.value)))


def _sentence(found: Explanation) -> str:
    unit = "" if found.unit in ("probability", "prediction") else f" in {UNITS[found.unit]}"
    parts = [
        f"{each.feature}{f' = {each.input}' if each.input is not None else ''} {each.value:+.3g}"
        for each in found.contributions[:_SHOWN]
        if each.value
    ]
    story = f": {', '.join(parts)}" if parts else ""
    return (
        f"{found.output.capitalize()} is {found.answer:.4g}{unit}, on {found.background_rows} {found.background} rows "
        f"{found.base:.4g} on average{story}."
    )
