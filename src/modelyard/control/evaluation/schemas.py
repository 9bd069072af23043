"""Request bodies of evaluations, comparisons and bias reports."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from modelyard.control.evaluation.bias import BiasQuestion
from modelyard.control.evaluation.comparing import Match
from modelyard.control.evaluation.service import Question, Window

_MOST_ROWS = 5_000_000


class WindowBody(BaseModel):
    """Which captured requests count."""

    model_config = ConfigDict(extra="forbid")

    window: str = Field(default="24h", description="How far back: 90s, 15m, 24h, 7d.", examples=["7d"])
    since: datetime | None = Field(default=None, description="First moment, instead of `window`.")
    until: datetime | None = Field(default=None, description="Last moment; now if left out.")
    variant: str | None = Field(default=None, description="Only what this variant answered.")
    version: str | None = Field(default=None, description="Only what this version answered, e.g. `digits:2`.")
    rows: int = Field(default=1_000_000, ge=1, le=_MOST_ROWS, description="The newest rows, so many at most.")

    def to_window(self) -> Window:
        """As the services take it."""
        return Window(
            length=self.window,
            since=self.since,
            until=self.until,
            variant=self.variant,
            version=self.version,
            rows=self.rows,
        )


class EvaluationRequest(WindowBody):
    """How to group the rows, and what to measure."""

    by: list[Literal["variant", "day"]] = Field(
        default=["variant"], max_length=2, description="Groups beside the version.", examples=[["variant", "day"]]
    )
    slice: str | None = Field(
        default=None,
        description="Also by the values of this column; numbers fall into quantile bins.",
        examples=["age"],
    )
    bins: int = Field(default=4, ge=2, le=20, description="Quantile bins of a column of numbers.")
    costs: dict[str, dict[str, float]] | None = Field(
        default=None,
        description="What an answer costs: truth -> answer -> cost. A right answer that is not named costs 0, a wrong "
        "one 1.",
        examples=[{"fraud": {"fine": 100}, "fine": {"fraud": 5}}],
    )
    minimum_rows: int = Field(default=30, ge=1, description="Groups with fewer labelled rows get no figures.")

    def to_question(self) -> Question:
        """As the service takes it."""
        return Question(
            by=tuple(self.by),
            slice_column=self.slice,
            bins=self.bins,
            costs=self.costs,
            minimum_rows=self.minimum_rows,
        )


class ComparisonRequest(WindowBody):
    """Who is compared with whom, on what."""

    challenger: str = Field(description="A variant or version that runs.", examples=["canary"])
    champion: str | None = Field(default=None, description="Likewise; the variant with the most traffic if left out.")
    slices: list[str] | None = Field(
        default=None, max_length=100, description="Columns to look for worse slices in; the first 30 if left out."
    )
    bins: int = Field(default=4, ge=2, le=20, description="Quantile bins of a column of numbers.")
    minimum_rows: int = Field(default=30, ge=1, description="Fewer labelled rows give no difference.")
    rows: int = Field(default=10_000, ge=1, le=_MOST_ROWS, description="The newest rows, so many at most.")
    seconds: float = Field(
        default=60.0, gt=0, le=600, description="How long it may take; then the rows that both have answered count."
    )

    def to_match(self) -> Match:
        """As the service takes it."""
        return Match(
            challenger=self.challenger,
            champion=self.champion,
            slices=None if self.slices is None else tuple(self.slices),
            bins=self.bins,
            minimum_rows=self.minimum_rows,
            seconds=self.seconds,
        )


class BiasRequest(WindowBody):
    """Whom to compare, and what counts as being selected."""

    column: str = Field(description="Whose values are the groups; numbers fall into quantile bins.", examples=["sex"])
    favourable: StrictStr | StrictBool | StrictInt | StrictFloat = Field(
        description="The answer that is good for whom it is about.", examples=["granted"]
    )
    reference: str | None = Field(default=None, description="The group to compare with; the largest if left out.")
    bins: int = Field(default=4, ge=2, le=20, description="Quantile bins of a column of numbers.")
    minimum_rows: int = Field(default=30, ge=1, description="Smaller groups are flagged and get no figures.")

    def to_question(self) -> BiasQuestion:
        """As the service takes it."""
        return BiasQuestion(
            column=self.column,
            favourable=self.favourable,
            reference=self.reference,
            bins=self.bins,
            minimum_rows=self.minimum_rows,
        )
