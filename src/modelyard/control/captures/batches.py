"""What a capture batch is, and how to say which ones are wanted."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from modelyard.control.captures.errors import TimeRangeInvalidError

TARGET_BYTES = 16 << 20
"""Batches are merged up to about this size: enough for few objects, little enough to read one into memory."""

MERGE_COUNT = 16
"""So many batches of one level become one of the next: each inference is rewritten some four times on its first day."""

MERGED_DAY = 9
"""Level of what became of a day that is over."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureBatch:
    """One Parquet object: inferences of one endpoint on one day, from one segment or merged. Times are theirs.

    `level` counts merges.
    """

    segment: str
    project: str
    endpoint: str
    day: str
    object_key: str
    size_bytes: int
    inferences: int
    rows: int
    versions: tuple[str, ...]
    variants: tuple[str, ...]
    first_id: str
    last_id: str
    first_at: datetime
    last_at: datetime
    created_at: datetime
    level: int = 0


@dataclass(frozen=True, slots=True)
class MergeGroup:
    """Batches that may become one; `level` MERGED_DAY: all of a day that is over."""

    project: str
    endpoint: str
    day: str
    level: int

    @property
    def is_over(self) -> bool:
        """The day is over."""
        return self.level == MERGED_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFilter:
    """Which inferences are of interest; times, and the range `ids` (smallest, largest), are inclusive.

    `principal` is the id of the token that asked.
    """

    project: str
    endpoint: str
    since: datetime | None = None
    until: datetime | None = None
    version: str | None = None
    variant: str | None = None
    principal: str | None = None
    ids: tuple[str, str] | None = None


def check_range(wanted: BatchFilter) -> None:
    """Nothing if the time range makes sense.

    Raises:
        TimeRangeInvalidError: it ends before it begins, or a time has no zone.
    """
    for name, value in (("since", wanted.since), ("until", wanted.until)):
        if value is not None and value.tzinfo is None:
            raise TimeRangeInvalidError(
                f"'{value}' has no time zone", hint="Write it as 2026-01-31T12:00:00Z.", field=name
            )
    if wanted.since is not None and wanted.until is not None and wanted.since > wanted.until:
        raise TimeRangeInvalidError("The time range ends before it begins", hint="Swap the two.", field="since")


def moment(at_ns: int) -> datetime:
    """Nanoseconds since 1970 as UTC; sub-microseconds are cut off, as everywhere in control."""
    return _EPOCH + timedelta(microseconds=at_ns // 1000)


def nanoseconds(at: datetime) -> int:
    """The first nanosecond that `moment` makes `at` of."""
    return (at - _EPOCH) // timedelta(microseconds=1) * 1000
