"""Request bodies of uploads."""

from pydantic import BaseModel, ConfigDict, Field


class UploadCreate(BaseModel):
    """A new upload."""

    model_config = ConfigDict(extra="forbid")

    filename: str = Field(
        min_length=1,
        max_length=255,
        description="What the file is called where you are. Only shown; the format is told by the content.",
        examples=["customers.csv"],
    )
    size_bytes: int | None = Field(
        default=None,
        ge=0,
        description="How many bytes will come, if you know: the upload can then not be used before they are all there.",
        examples=[1048576],
    )
