"""Captured inferences: queries, export, deletion; files of ground truth and what became of it."""

from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode

from modelyard.errors import InvalidInputError
from modelyard.sdk.calls import Mode, call
from modelyard.sdk.errors import error_of
from modelyard.sdk.resource import OPERATIONS, Resource, act, decode, read, send
from modelyard.sdk.steps import Download, Flow, Request, Response, Work
from modelyard.types.monitoring import CapturesDeleted, FeedbackFileReceipt, FeedbackSummary, QueryAnswer

_MEDIA_TYPES = {
    ".csv": "text/csv",
    ".jsonl": "application/x-ndjson",
    ".ndjson": "application/x-ndjson",
    ".parquet": "application/x-parquet",
}
_FILE_SECONDS = 600.0


class FileKindUnknownError(InvalidInputError):
    """A file whose name does not say what it holds."""

    code = "file_kind_unknown"


class Captures(Resource[Mode]):
    """What endpoints answered, as data."""

    @call
    def query(
        self,
        endpoint: str,
        sql: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        variant: str | None = None,
        version: str | None = None,
        limit: int = 1000,
    ) -> Flow[QueryAnswer]:
        """One SELECT, in DuckDB's SQL, over the table `inferences` (one row per row of a request).

        Args:
            endpoint: its name.
            sql: the query; the reference has the columns.
            since: only what happened at or after this time.
            until: only what happened at or before this time.
            variant: only what this variant answered.
            version: only what this version answered ("digits:2").
            limit: rows of the answer at most.
        """
        body = {"sql": sql, "limit": limit, **_given(since, until, variant, version)}
        return act(QueryAnswer, self._path(OPERATIONS, "endpoints", endpoint, "captures", "query"), body)

    @call
    def export(
        self,
        endpoint: str,
        target: str | Path,
        *,
        where: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        variant: str | None = None,
        version: str | None = None,
    ) -> Flow[Path]:
        """Write captures to a .csv or .parquet file; `where` is an SQL condition that chooses a slice.

        Raises:
            FileKindUnknownError: the name of `target` ends in something else.
        """
        file = Path(target)
        if file.suffix not in (".csv", ".parquet"):
            raise FileKindUnknownError(f"{file.name} is neither .csv nor .parquet", hint="Choose such a name.")
        query = {"format": file.suffix[1:], **_given(since, until, variant, version)}
        if where is not None:
            query["where"] = where
        path = self._path(OPERATIONS, "endpoints", endpoint, "captures", "export")
        response: Response = yield Download(path=f"{path}?{urlencode(query)}", target=file)
        if response.status >= 400:  # noqa: PLR2004
            raise error_of(response)
        return file

    @call
    def delete(
        self,
        endpoint: str,
        *,
        until: datetime,
        since: datetime | None = None,
        variant: str | None = None,
        version: str | None = None,
        principal: str | None = None,
    ) -> Flow[CapturesDeleted]:
        """Delete captures and their ground truth for good; `principal` is the id of the token that asked."""
        query = _given(since, until, variant, version) | ({"principal": principal} if principal else {})
        path = self._path(OPERATIONS, "endpoints", endpoint, "inferences")
        response = yield from send(Request(method="DELETE", path=path, query=query))
        return decode(response.content, CapturesDeleted)

    @call
    def feedback_file(self, endpoint: str, file: str | Path) -> Flow[FeedbackFileReceipt]:
        """Send a .csv, .jsonl or .parquet file with `inference_id` and `truth`; sending it again is harmless.

        Raises:
            FileKindUnknownError: its name ends in something else.
        """
        path = Path(file)
        media_type = _MEDIA_TYPES.get(path.suffix.lower())
        if media_type is None:
            raise FileKindUnknownError(
                f"{path.name} is no {', '.join(_MEDIA_TYPES)} file", hint="Rename or convert it."
            )
        content: bytes = yield Work(path.read_bytes)
        request = Request(
            method="POST",
            path=self._path(OPERATIONS, "endpoints", endpoint, "feedback", "files"),
            headers={"Content-Type": media_type},
            content=content,
            timeout_seconds=_FILE_SECONDS,
        )
        response = yield from send(request)
        return decode(response.content, FeedbackFileReceipt)

    @call
    def feedback_summary(self, endpoint: str, *, late_after: str = "7d") -> Flow[FeedbackSummary]:
        """What became of all ground truth: matched, pending, unknown, late, twice, different."""
        path = self._path(OPERATIONS, "endpoints", endpoint, "feedback")
        return read(FeedbackSummary, path, {"late_after": late_after})


def _given(since: datetime | None, until: datetime | None, variant: str | None, version: str | None) -> dict[str, str]:
    values = {
        "since": since.isoformat() if since else None,
        "until": until.isoformat() if until else None,
        "variant": variant,
        "version": version,
    }
    return {name: value for name, value in values.items() if value is not None}
