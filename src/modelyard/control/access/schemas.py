"""Request bodies and answers of tokens."""

from dataclasses import dataclass

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from modelyard.types.access import Role, Token


class TokenCreate(BaseModel):
    """A new token."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        min_length=1, max_length=200, description="Who or what will use it; shown in the audit log.", examples=["ci"]
    )
    role: Role = Field(
        description="viewer reads and calls models; developer also uploads, trains and registers; operator also "
        "deploys and monitors; admin also manages projects and tokens.",
        examples=[Role.DEVELOPER],
    )
    project: str | None = Field(
        default=None, description="The only project it reaches; null for every project.", examples=["default"]
    )
    expires_at: AwareDatetime | None = Field(
        default=None, description="When it ends, with a time zone; null for never.", examples=["2030-01-01T00:00:00Z"]
    )
    requests_per_second: float | None = Field(
        default=None,
        gt=0,
        le=1e6,
        description="How often it may call models, in bursts of a second; more is refused with Retry-After. "
        "null for as often as it likes.",
        examples=[50],
    )


class Introspect(BaseModel):
    """A token that another application received."""

    model_config = ConfigDict(extra="forbid")

    secret: SecretStr = Field(description="The token as it came with the request.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedToken:
    """A token with its secret. The secret is shown this once: only its hash is kept."""

    token: Token
    secret: str
