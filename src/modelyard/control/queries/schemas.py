"""Request bodies of queries."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

MAXIMUM_ROWS = 10_000


class QueryCreate(BaseModel):
    """SQL over the captures of an endpoint."""

    model_config = ConfigDict(extra="forbid")

    sql: str = Field(
        min_length=1,
        max_length=20_000,
        description="One SELECT in DuckDB's SQL over the table `inferences`: one row per row of a request.",
        examples=["SELECT version, count(*) AS n, avg(model_ms) AS ms FROM inferences GROUP BY version"],
    )
    since: datetime | None = Field(default=None, description="Only what happened at or after this time.")
    until: datetime | None = Field(default=None, description="Only what happened at or before this time.")
    variant: str | None = Field(default=None, description="Only what this variant answered.", examples=["main"])
    version: str | None = Field(default=None, description="Only what this version answered.", examples=["digits:2"])
    limit: int = Field(default=1000, ge=1, le=MAXIMUM_ROWS, description="Rows of the answer at most.")
