"""Request bodies of alert channels."""

from pydantic import BaseModel, ConfigDict, Field

from modelyard.types.monitoring import ChannelKind


class ChannelCreate(BaseModel):
    """A new receiver of alerts."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="1 to 63 lower-case letters, digits, '.', '_' or '-'.", examples=["on-call"])
    kind: ChannelKind = Field(description="`webhook` or `email`.", examples=["webhook"])
    target: str = Field(
        max_length=2000,
        description="URL that alerts are posted to, or an e-mail address.",
        examples=["https://hooks.example.org/modelyard"],
    )
