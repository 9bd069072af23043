"""What a batch job answers, what it writes, and how far it is."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRecipe:
    """What a batch job is told beside its model version and its channel "input".

    Attributes:
        output: dataset that gets the answers as a new version; made if absent.
        object: key of the object that is answered, if the input is no dataset version.
        url: address of the file that is answered, if it is neither.
        format: of an object or address: "csv" or "parquet".
        keep: columns of the input that stand beside the answers; null: all of them.
        prefix: put in front of the names of the columns that the model adds.
    """

    output: str
    object: str | None = None
    url: str | None = None
    format: str | None = None
    keep: tuple[str, ...] | None = None
    prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobProgress:
    """How far a batch job is: what is in finished shards, which no crash takes away.

    Attributes:
        rows: rows answered, those with an error included.
        total_rows: rows of the input.
        failed_rows: rows that have an error instead of an answer.
        rows_per_second: speed of the present attempt.
        expected_end: when the last row is answered at this speed; null once the job has ended.
    """

    rows: int
    total_rows: int
    failed_rows: int
    rows_per_second: float
    expected_end: datetime | None = None
