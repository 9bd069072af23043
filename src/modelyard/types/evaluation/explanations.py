"""Why a model gave an answer: contributions of the inputs that add up to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from modelyard.types.signatures import Scalar
from modelyard.types.tensors import JsonTensor


class ExplanationMethod(StrEnum):
    """How contributions are computed; AUTO takes the first that is exact and in time.

    EXACT asks the model about every set of inputs, TREES reads its trees, SAMPLED draws orders of inputs.
    """

    AUTO = "auto"
    EXACT = "exact"
    TREES = "trees"
    SAMPLED = "sampled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What one input adds to the answer.

    Attributes:
        feature: column, or part of an image.
        input: its value in the request; null where it has no single one, or is missing.
        value: SHAP value: what knowing this input adds, in the unit of the answer.
        standard_error: of the value; 0 where it is exact.
    """

    feature: str
    input: Scalar | None
    value: float
    standard_error: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """An explained answer: `base` plus all contributions is `answer`.

    Attributes:
        endpoint: that was asked.
        version: the model version that is explained.
        inference: id of the captured request; null for inputs that were given.
        row: number of the row in its request.
        output: what is explained ("probability of 'yes'").
        unit: "probability", "prediction", "log-odds" or "margin".
        answer: the model's answer for this row.
        base: its mean answer for the background rows: what it says when it knows nothing of the row.
        contributions: of every input, the largest first.
        method: how they were computed.
        background: where the background rows came from: "training", "traffic" or "golden".
        background_rows: how many.
        asked_rows: rows that the running model was asked about.
        seconds: how long it took.
        sentence: the most important contributions in words.
    """

    endpoint: str
    version: str
    inference: str | None
    row: int
    output: str
    unit: str
    answer: float
    base: float
    contributions: tuple[Contribution, ...]
    method: ExplanationMethod
    background: str
    background_rows: int
    asked_rows: int
    seconds: float
    sentence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedInference:
    """An answer with the reasons for it.

    Attributes:
        inference_id: what feedback refers to.
        endpoint: that was asked.
        version: that answered, and is explained.
        variant: of the endpoint.
        outputs: the answer.
        explanations: one per row, in order; fewer where the time was over or one failed.
        explanation_error: `code` and `message` of what kept rows from being explained; null if nothing did.
    """

    inference_id: str
    endpoint: str
    version: str
    variant: str
    outputs: tuple[JsonTensor, ...]
    explanations: tuple[Explanation, ...] = ()
    explanation_error: Mapping[str, str] | None = None
