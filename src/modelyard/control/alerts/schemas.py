"""Request bodies of alert channels."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from modelyard.types.monitoring import ChannelKind

EventKind = Annotated[str, Field(max_length=60, pattern=r"^([a-z][a-z_]*\*?|\*)$")]


class ChannelCreate(BaseModel):
    """A new receiver of alerts and events."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="1 to 63 lower-case letters, digits, '.', '_' or '-'.", examples=["on-call"])
    kind: ChannelKind = Field(description="`webhook` or `email`.", examples=["webhook"])
    target: str = Field(
        max_length=2000,
        description="URL that is posted to, or an e-mail address.",
        examples=["https://hooks.example.org/modelyard"],
    )
    events: list[EventKind] = Field(
        default=[],
        max_length=50,
        description="Kinds of events that are sent to it as they happen; `rollout_*` is all that begin so, `*` is all. "
        "If left out, it gets only the alerts of the monitors that name it.",
        examples=[["rollout_*", "drift_found", "retraining_rejected"]],
    )
    endpoint: str | None = Field(default=None, max_length=63, description="Only events of this endpoint.")
