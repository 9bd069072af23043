"""Request bodies of feedback."""

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

Truth = StrictStr | StrictBool | StrictInt | StrictFloat | None
MAXIMUM_ITEMS = 10_000
MAXIMUM_ROWS = 100_000


class FeedbackItem(BaseModel):
    """The true outcome of one inference."""

    model_config = ConfigDict(extra="forbid")

    inference_id: str = Field(
        min_length=1,
        max_length=200,
        description="The id that came with the answer (header `X-Modelyard-Inference-Id`).",
        examples=["inf-01k7tq3w9b"],
    )
    truth: list[Truth] | Truth = Field(
        description="The true label or value of each row of the request, in order; null where it is unknown. One "
        "value, without brackets, for a request of one row.",
        examples=[[3, 7, None], "cat", 12.5],
    )


class FeedbackCreate(BaseModel):
    """A batch of ground truth. May be sent again: what is known already counts as duplicate."""

    model_config = ConfigDict(extra="forbid")

    items: list[FeedbackItem] = Field(min_length=1, max_length=MAXIMUM_ITEMS, description="One item per inference.")
