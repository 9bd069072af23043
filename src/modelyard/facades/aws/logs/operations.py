"""Operations of CloudWatch Logs, over the output that jobs keep anyway.

A job's output has no time for each line: every event carries the time at which the job was asked for.
"""

import re
from collections.abc import Callable

from modelyard.control.documents.service import DocumentService
from modelyard.facades.aws.wire.errors import AwsError
from modelyard.facades.aws.wire.operations import Answer, Call, Request, operation
from modelyard.types.access import Action
from modelyard.types.foreign.documents import Document, DocumentFilter
from modelyard.types.processes import LogChunk

GROUPS = {"/aws/sagemaker/TrainingJobs": "training-job"}
"""Log group -> the kind of document whose content names the job."""

ReadLog = Callable[[str, str, int], tuple[LogChunk, bool]]
"""Output of a job of ours, from a byte on, and whether more may come: `(project, job, offset)`."""

_STREAM = re.compile(r"(?P<name>[^/]+)/algo-1-\d+")
_MOST_STREAMS = 50


class LogOperations:
    """Groups, streams and events.

    Args:
        documents: say which job of ours one of AWS's is: `content["job"]`.
        read: its output.
    """

    def __init__(self, documents: DocumentService, read: ReadLog) -> None:
        self._documents = documents
        self._read = read

    @operation("logs", "DescribeLogGroups", Action.READ, partly="Only groups of SageMaker's jobs are there.")
    def describe_log_groups(self, call: Call, request: Request) -> Answer:
        """The groups that jobs write to."""
        prefix = request.get("logGroupNamePrefix", "")
        names = [name for name in GROUPS if name.startswith(prefix)]
        groups = [{"logGroupName": name, "arn": call.arn(f"log-group:{name}:*", "logs")} for name in names]
        return {"logGroups": groups}

    @operation("logs", "DescribeLogStreams", Action.READ, partly="orderBy has no effect; nextToken is not given out.")
    def describe_log_streams(self, call: Call, request: Request) -> Answer:
        """A stream for each job that has begun."""
        prefix = request.get("logStreamNamePrefix", "")
        chosen = DocumentFilter(name_contains=prefix.partition("/")[0])
        found = []
        for document in self._documents.every(_kind(request), call.project, chosen):
            name = _stream(document)
            if name.startswith(prefix) and document.content.get("job"):
                arn = call.arn(f"log-group:{request['logGroupName']}:log-stream:{name}", "logs")
                made = _milliseconds(document)
                found.append({"logStreamName": name, "creationTime": made, "firstEventTimestamp": made, "arn": arn})
        return {"logStreams": found[: request.get("limit", _MOST_STREAMS)]}

    @operation("logs", "GetLogEvents", Action.READ, partly="Reads forward only, from startFromHead or a token on.")
    def get_log_events(self, call: Call, request: Request) -> Answer:
        """Whole lines from where the last answer ended."""
        document = self._of_stream(call, request)
        offset = _offset(request.get("nextToken", ""))
        made = _milliseconds(document)
        if made < request.get("startTime", 0) or made >= request.get("endTime", made + 1):
            return {"events": [], "nextForwardToken": f"f/{offset}", "nextBackwardToken": "b/0"}
        chunk, may_grow = self._read(call.project, str(document.content["job"]), offset)
        text, rest = chunk.text, ""
        if may_grow:
            text, _, rest = chunk.text.rpartition("\n")
        lines = text.splitlines()
        after = chunk.next_offset - len(rest.encode())
        limit = request.get("limit")
        if limit is not None and len(lines) > limit:
            lines = lines[:limit]
            after = offset + len("".join(text.splitlines(keepends=True)[:limit]).encode())
        events = [{"timestamp": made, "message": line, "ingestionTime": made} for line in lines]
        return {"events": events, "nextForwardToken": f"f/{after}", "nextBackwardToken": "b/0"}

    def _of_stream(self, call: Call, request: Request) -> Document:
        kind, stream = _kind(request), request["logStreamName"]
        found = _STREAM.fullmatch(stream)
        document = self._documents.find(kind, call.project, found["name"]) if found else None
        if document is None or not document.content.get("job") or _stream(document) != stream:
            raise _missing(f"The log stream '{stream}' does not exist: no job of that name has begun.")
        return document


def _kind(request: Request) -> str:
    name = request.get("logGroupName", "")
    if name not in GROUPS:
        raise _missing(f"The log group '{name}' does not exist. There are {', '.join(GROUPS)}.")
    return GROUPS[name]


def _stream(document: Document) -> str:
    return f"{document.name}/algo-1-{int(document.created_at.timestamp())}"


def _milliseconds(document: Document) -> int:
    return int(document.created_at.timestamp() * 1000)


def _offset(token: str) -> int:
    digits = token.removeprefix("f/")
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def _missing(words: str) -> AwsError:
    return AwsError("ResourceNotFoundException", words)
