"""Request bodies of explanations."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from modelyard.control.explanations.service import Wish
from modelyard.types.evaluation.explanations import ExplanationMethod

Value = StrictStr | StrictBool | StrictInt | StrictFloat | None
MOST_SECONDS = 120.0


class ExplainedInferenceRequest(BaseModel):
    """What to answer and explain: one of `inputs` and `columns`."""

    model_config = ConfigDict(extra="forbid")

    inputs: dict[str, list[Any]] | None = Field(
        default=None, description="Tensors by name, as nested lists; the first dimension is the batch."
    )
    columns: dict[str, Value] | None = Field(
        default=None, description="Values by column, of one row; what is left out is missing.", examples=[{"age": 61}]
    )
    variant: str | None = Field(
        default=None, description="A variant or version number; if left out, the one that traffic weights choose."
    )
    target: str | None = Field(default=None, description="Class to explain; the answered one if left out.")
    method: ExplanationMethod = Field(default=ExplanationMethod.AUTO, description="auto, exact, trees or sampled.")
    seconds: float = Field(default=5.0, gt=0, le=MOST_SECONDS, description="How long it may take.")
    background_rows: int = Field(default=64, ge=1, le=1000, description="Rows to explain against, at most.")

    @model_validator(mode="after")
    def _names_one_source(self) -> Self:
        names = [name for name in ("inference", "inputs", "columns") if name in type(self).model_fields]
        if sum(getattr(self, name) is not None for name in names) != 1:
            raise ValueError(f"Give one of {', '.join(names[:-1])} and {names[-1]}.")
        return self

    def to_wish(self) -> Wish:
        """As the service takes it."""
        return Wish(**self.model_dump())


class ExplanationRequest(ExplainedInferenceRequest):
    """What to explain: one of `inference`, `inputs` and `columns`."""

    inference: str | None = Field(
        default=None, max_length=200, description="Id of a captured request.", examples=["inf-01k7tq3w9b"]
    )
    row: int = Field(default=0, ge=0, description="Which row of the request.")
    variant: str | None = Field(
        default=None,
        description="A variant or version (`digits:2`) that runs; if left out, the version that answered the captured "
        "request, or the variant with the most traffic.",
    )
