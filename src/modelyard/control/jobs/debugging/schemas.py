"""Rules in requests."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from modelyard.types.debugging.rules import RuleAction, RuleChoice


class RuleRequest(BaseModel):
    """How one rule on live figures is applied to the job."""

    model_config = ConfigDict(extra="forbid")

    rule: str = Field(description='Name of the rule, or "all".', max_length=63, examples=["overfitting"])
    action: RuleAction = Field(default=RuleAction.NOTIFY, description="What follows when it finds something.")
    settings: dict[str, float] = Field(
        default_factory=dict, max_length=8, description="Thresholds in place of its own.", examples=[{"patience": 10}]
    )

    def choice(self) -> RuleChoice:
        """As plain data."""
        return RuleChoice(rule=self.rule, action=self.action, settings=self.settings)


Rules = Annotated[
    list[RuleRequest],
    Field(
        max_length=32,
        description="Rules on its live figures that are not to be applied as usual: all of them notify.",
    ),
]


class ToldRequest(BaseModel):
    """Findings of which people have been told."""

    model_config = ConfigDict(extra="forbid")

    ids: list[int] = Field(max_length=1000, description="Their ids.")
