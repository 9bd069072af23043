"""Operations of CloudWatch Logs that read: groups, streams, and the events of one stream or of several."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from modelyard.facades.aws.logs.lines import Line, lines_from, page_backward, page_forward
from modelyard.facades.aws.logs.patterns import chooser
from modelyard.facades.aws.logs.streams import LogSource, Stream
from modelyard.facades.aws.wire.errors import AwsError
from modelyard.facades.aws.wire.operations import Answer, Call, Request, operation
from modelyard.types.access import Action

_MOST_NAMES = 50
_MOST_EVENTS = 10_000
_TIMES = "Every event has the time at which its job or replica began."
_DIGITS = re.compile(r"[0-9]{1,18}")  # what a file can be read from
_T = TypeVar("_T")


class LogOperations:
    """Groups, streams and events of all sources."""

    def __init__(self, *sources: LogSource) -> None:
        self._sources = sources

    @operation("logs", "DescribeLogGroups", Action.READ, partly="Groups of SageMaker's jobs and endpoints.")
    def describe_log_groups(self, call: Call, request: Request) -> Answer:
        """The groups that jobs and endpoints write to, by name."""
        prefix, part = request.get("logGroupNamePrefix", ""), request.get("logGroupNamePattern", "")
        if prefix and part:
            raise _invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
        every = (name for source in self._sources for name in source.groups(call))
        names = sorted(name for name in every if name.startswith(prefix) and part.lower() in name.lower())
        shown, token = _page(names, request)
        groups = [{"logGroupName": name, "arn": call.arn(f"log-group:{name}:*", "logs")} for name in shown]
        return {"logGroups": groups, "nextToken": token}

    @operation("logs", "DescribeLogStreams", Action.READ, partly="Replicas that are gone have no stream any more.")
    def describe_log_streams(self, call: Call, request: Request) -> Answer:
        """A stream for each job that has begun, or for each replica."""
        prefix, by_time = request.get("logStreamNamePrefix", ""), request.get("orderBy") == "LastEventTime"
        if prefix and by_time:
            raise _invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
        group = _group(request)
        streams = sorted(
            self._streams(call, group, prefix),
            key=lambda each: (each.began_ms if by_time else 0, each.name),
            reverse=request.get("descending", False),
        )
        shown, token = _page(streams, request)
        return {"logStreams": [_described(call, group, each) for each in shown], "nextToken": token}

    @operation("logs", "GetLogEvents", Action.READ, partly=_TIMES)
    def get_log_events(self, call: Call, request: Request) -> Answer:
        """Whole lines after a token, or before one; without a token the last lines, or the first."""
        stream = self._stream(call, _group(request), request["logStreamName"])
        limit, direction, offset = request.get("limit", _MOST_EVENTS), *_position(request)
        if not _is_in_time(stream, request):
            lines: list[Line] = []
        elif direction == "f":
            lines = page_forward(stream.read, offset or 0, limit)
        else:
            lines = page_backward(stream.read, offset, limit)
        first, last = (lines[0].start, lines[-1].end) if lines else (offset or 0, offset or 0)
        return {
            "events": [_event(stream, line) for line in lines],
            "nextForwardToken": f"f/{last}",
            "nextBackwardToken": f"b/{first}",
        }

    @operation("logs", "FilterLogEvents", Action.READ, partly=f"Patterns of terms, not for JSON or columns. {_TIMES}")
    def filter_log_events(self, call: Call, request: Request) -> Answer:
        """The events of several streams that a pattern chooses, one stream after the other."""
        group, prefix, names = _group(request), request.get("logStreamNamePrefix"), request.get("logStreamNames")
        if prefix and names:
            raise _invalid("logStreamNames and logStreamNamePrefix are mutually exclusive parameters.")
        chooses, limit = chooser(request.get("filterPattern", "")), request.get("limit", _MOST_EVENTS)
        if names:
            streams = [self._stream(call, group, name) for name in names]
        else:
            streams = list(self._streams(call, group, prefix or ""))
        streams = sorted(
            (each for each in streams if _is_in_time(each, request)), key=lambda each: (each.began_ms, each.name)
        )
        lines = _after(streams, request.get("nextToken"))
        chosen = ((stream, line) for stream, line in lines if chooses(line.text))
        found = list(islice(chosen, limit + 1))
        token = f"{found[limit - 1][1].end}/{found[limit - 1][0].name}" if len(found) > limit else None
        return {"events": [_filtered(*each) for each in found[:limit]], "searchedLogStreams": [], "nextToken": token}

    def _streams(self, call: Call, group: str, prefix: str) -> Iterator[Stream]:
        """Streams of a group.

        Raises:
            AwsError: there is no such group.
        """
        for source in self._sources:
            found = source.streams(call, group, prefix)
            if found is not None:
                return found
        raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")

    def _stream(self, call: Call, group: str, name: str) -> Stream:
        """The stream of this name.

        Raises:
            AwsError: there is none.
        """
        found = next((each for each in self._streams(call, group, name) if each.name == name), None)
        if found is None:
            raise AwsError("ResourceNotFoundException", "The specified log stream does not exist.")
        return found


def _group(request: Request) -> str:
    """The group's name, which may stand in an ARN.

    Raises:
        AwsError: none is named.
    """
    named = request.get("logGroupName") or request.get("logGroupIdentifier") or ""
    if not named:
        raise _invalid("Either logGroupName or logGroupIdentifier must be given.")
    return str(named.partition(":log-group:")[2].removesuffix(":*") if named.startswith("arn:") else named)


def _described(call: Call, group: str, stream: Stream) -> dict[str, Any]:
    return {
        "logStreamName": stream.name,
        "creationTime": stream.began_ms,
        "firstEventTimestamp": stream.began_ms,
        "lastEventTimestamp": stream.began_ms,
        "lastIngestionTime": stream.began_ms,
        "arn": call.arn(f"log-group:{group}:log-stream:{stream.name}", "logs"),
    }


def _event(stream: Stream, line: Line) -> dict[str, Any]:
    return {"timestamp": stream.began_ms, "message": line.text, "ingestionTime": stream.began_ms}


def _filtered(stream: Stream, line: Line) -> dict[str, Any]:
    digest = hashlib.sha256(f"{stream.name}/{line.start}".encode()).digest()[:16]
    identity = {"logStreamName": stream.name, "eventId": str(int.from_bytes(digest))}
    return {**_event(stream, line), **identity}


def _is_in_time(stream: Stream, request: Request) -> bool:
    return bool(request.get("startTime", 0) <= stream.began_ms < request.get("endTime", stream.began_ms + 1))


def _position(request: Request) -> tuple[str, int | None]:
    """Which way a page of events goes, and from which byte; None: from where the output ends.

    Raises:
        AwsError: the token is not one that was given out.
    """
    token = request.get("nextToken")
    if token is None:
        return ("f", 0) if request.get("startFromHead", False) else ("b", None)
    direction, _, digits = token.partition("/")
    if direction not in ("f", "b"):
        raise _invalid("The specified nextToken is invalid.")
    return direction, _number(digits)


def _after(streams: Sequence[Stream], token: str | None) -> Iterator[tuple[Stream, Line]]:
    """The lines of all streams, from where a page ended."""
    offset, reached = 0, 0
    if token is not None:
        digits, _, name = token.partition("/")
        offset = _number(digits)
        reached = next((at for at, each in enumerate(streams) if each.name == name), len(streams))
    for at, stream in enumerate(streams[reached:]):
        for line in lines_from(stream.read, offset if at == 0 else 0):
            yield stream, line


def _page(every: Sequence[_T], request: Request) -> tuple[Sequence[_T], str | None]:
    """A part of a list, and the token for the next."""
    start = _number(request.get("nextToken", "0"))
    end = start + int(request.get("limit", _MOST_NAMES))
    return every[start:end], str(end) if end < len(every) else None


def _number(digits: str) -> int:
    if not _DIGITS.fullmatch(digits):
        raise _invalid("The specified nextToken is invalid.")
    return int(digits)


def _invalid(words: str) -> AwsError:
    return AwsError("InvalidParameterException", words)
