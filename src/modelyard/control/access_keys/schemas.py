"""Request bodies and answers of access keys."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from modelyard.types.access import Role
from modelyard.types.foreign.access_keys import AccessKey


class AccessKeyWanted(BaseModel):
    """An access key: the one of that name, or a new one."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        min_length=1, max_length=200, description="Who or what uses it; shown in the audit log.", examples=["notebook"]
    )
    project: str = Field(description="The project that it works in.", examples=["default"])
    role: Role = Field(description="What it may do there.", examples=[Role.OPERATOR])


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKeySecret:
    """An access key with its secret."""

    key: AccessKey
    secret: str
