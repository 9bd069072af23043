"""Request bodies of environments."""

from pydantic import BaseModel, ConfigDict, Field

_MOST = 1 << 20


class EnvironmentCreate(BaseModel):
    """A named environment: from requirements or from a lock, or a ready-made one by its name alone."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="What models name it by; it means one lock for good.", examples=["scoring-1"])
    requirements: str | None = Field(
        default=None, max_length=_MOST, description="As in requirements.txt.", examples=["numpy\nscikit-learn==1.7.2\n"]
    )
    lock: str | None = Field(
        default=None,
        max_length=_MOST,
        description="Exact versions of every package, with hashes, as `uv pip compile --generate-hashes` writes them.",
    )
    python: str | None = Field(
        default=None, pattern=r"^\d+\.\d+$", description="Version of Python; this installation's.", examples=["3.11"]
    )
