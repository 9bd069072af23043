"""Where log events come from: output that jobs and replicas keep anyway, as groups of streams.

Output has no time for each line: every event carries the time at which its job or replica began.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from modelyard.control.documents.service import DocumentService
from modelyard.control.hosting.records import EndpointView
from modelyard.control.hosting.service import HostingService
from modelyard.engines.base import ProcessNotFoundError
from modelyard.facades.aws.wire.operations import Call
from modelyard.kit.foreign_names import own_name
from modelyard.types.foreign.documents import Document, DocumentFilter
from modelyard.types.processes import LogChunk

JOB_GROUPS = {"/aws/sagemaker/TrainingJobs": "training-job"}
"""Log group -> the kind of document whose content names the job."""
ENDPOINT_GROUP = "/aws/sagemaker/Endpoints/"
"""Before the name of an endpoint."""

ReadOutput = Callable[[int], tuple[LogChunk, bool]]
"""Output from a byte on, and whether more may come."""
ReadJob = Callable[[str, str, int], tuple[LogChunk, bool]]
"""The same of a job: `(project, job, offset)`."""
ReadProcess = Callable[[str, int], LogChunk]
"""Output of a process from a byte on; raises ProcessNotFoundError."""

_JOB_STREAM = re.compile(r"(?P<name>[^/]+)/algo-1-\d+")


@dataclass(frozen=True, slots=True)
class Stream:
    """One source of events: its name, when it began (milliseconds since 1970), and its output."""

    name: str
    began_ms: int
    read: ReadOutput


class LogSource(Protocol):
    """Groups of one kind. Safe from any thread."""

    def groups(self, call: Call) -> Iterator[str]:
        """Names of the groups in the call's project."""
        ...

    def streams(self, call: Call, group: str, prefix: str) -> Iterator[Stream] | None:
        """The group's streams whose names begin so; None: it has no such group."""
        ...


class JobLogs:
    """A group for each kind of job, with a stream for each job that has begun."""

    def __init__(self, documents: DocumentService, read: ReadJob) -> None:
        self._documents = documents
        self._read = read

    def groups(self, call: Call) -> Iterator[str]:  # noqa: ARG002 - they are there before any job is
        """See LogSource."""
        yield from JOB_GROUPS

    def streams(self, call: Call, group: str, prefix: str) -> Iterator[Stream] | None:
        """See LogSource."""
        return self._streams(call, JOB_GROUPS[group], prefix) if group in JOB_GROUPS else None

    def _streams(self, call: Call, kind: str, prefix: str) -> Iterator[Stream]:
        for document in self._named(call, kind, prefix):
            began = document.created_at.timestamp()
            name = f"{document.name}/algo-1-{int(began)}"
            job = document.content.get("job")
            if job and name.startswith(prefix):
                yield Stream(name, int(began * 1000), partial(self._read, call.project, str(job)))

    def _named(self, call: Call, kind: str, prefix: str) -> Iterator[Document]:
        """The job's own document where the prefix is a whole stream, which clients ask for every second."""
        whole = _JOB_STREAM.fullmatch(prefix)
        if whole is None:
            chosen = DocumentFilter(name_contains=prefix.partition("/")[0])
            yield from self._documents.every(kind, call.project, chosen)
        elif found := self._documents.find(kind, call.project, whole["name"]):
            yield found


class EndpointLogs:
    """A group for each endpoint, with a stream for each replica that is a process of its own.

    Args:
        kind: of the documents that name endpoints.
        documents: has them.
        hosting: knows their replicas.
        read: output of a replica's process.
    """

    def __init__(self, kind: str, documents: DocumentService, hosting: HostingService, read: ReadProcess) -> None:
        self._kind = kind
        self._documents = documents
        self._hosting = hosting
        self._read = read

    def groups(self, call: Call) -> Iterator[str]:
        """See LogSource."""
        for document in self._documents.every(self._kind, call.project):
            yield f"{ENDPOINT_GROUP}{document.name}"

    def streams(self, call: Call, group: str, prefix: str) -> Iterator[Stream] | None:
        """See LogSource."""
        name = group.removeprefix(ENDPOINT_GROUP)
        if not group.startswith(ENDPOINT_GROUP) or self._documents.find(self._kind, call.project, name) is None:
            return None
        found = self._replicas(self._hosting.view(call.project, name))
        return (each for each in found if each.name.startswith(prefix))

    def _replicas(self, view: EndpointView) -> Iterator[Stream]:
        """`<variant>/<replica>`, and of several containers `<variant>/<replica>/<container>`."""
        hosted = view.hosted
        if hosted is None:
            return
        yield from self._of(view, {own_name(each.name): each.name for each in hosted.variants}, "")
        containers = hosted.composition.containers if hosted.composition is not None else ()
        for container, part in zip(containers, view.parts, strict=False):
            title = hosted.variants[0].name
            yield from self._of(part, {own_name(title): title}, f"/{container.hostname}")

    def _of(self, view: EndpointView, titles: dict[str, str], suffix: str) -> Iterator[Stream]:
        for replica in view.own.replicas if view.own is not None else ():
            if replica.process == replica.id and replica.started_at is not None:
                title = titles.get(replica.variant, replica.variant)
                began = int(replica.started_at.timestamp() * 1000)
                yield Stream(f"{title}/{replica.id}{suffix}", began, partial(self._output, replica.id))

    def _output(self, process: str, offset: int) -> tuple[LogChunk, bool]:
        try:
            return self._read(process, offset), True
        except ProcessNotFoundError:
            return LogChunk(text="", next_offset=offset), False
