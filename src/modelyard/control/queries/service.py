"""Chooses the captures that a query is about and has another process answer it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import msgspec

from modelyard.control.captures.batches import BatchFilter, check_range
from modelyard.control.captures.parquet import write_table
from modelyard.control.captures.service import CaptureService, TruthLookup
from modelyard.control.queries.errors import QueriesUnavailableError, QueryInvalidError, QueryTooLargeError
from modelyard.control.queries.program import (
    EXIT_QUERY_INVALID,
    EXIT_TOO_LARGE,
    EXIT_UNAVAILABLE,
    QueryJob,
)
from modelyard.errors import InternalError, OverloadedError
from modelyard.kit.ids import new_id
from modelyard.types.endpoints import Endpoint
from modelyard.types.monitoring import QueryAnswer
from modelyard.types.signatures import Signature

MAXIMUM_CAPTURES = 500_000
"""Inferences that one query looks at."""

_MEMORY_BYTES = 1 << 30
_SECONDS = 60.0
_CPU_SECONDS = 45
_OUTPUT_BYTES = 4 << 30
_AT_ONCE = 2
_NICENESS = 10


class EndpointReader(Protocol):
    """Knows endpoints and what they serve or served. Implementation: endpoints.service.EndpointService."""

    def get(self, project: str, name: str) -> Endpoint:
        """An endpoint. Raises NotFoundError."""

    def signature(self, project: str, version: str) -> Signature | None:
        """Of a version ("digits:2"), if it was ever served here."""


class QueryService:
    """Answers queries. Safe from any thread; two at a time, further ones are refused.

    Args:
        captures: where the inferences are.
        truths: what is known about them.
        endpoints: names the columns.
        folder: for temporary files; emptied now of what a killed process left.
    """

    def __init__(self, captures: CaptureService, truths: TruthLookup, endpoints: EndpointReader, folder: Path) -> None:
        self._captures = captures
        self._truths = truths
        self._endpoints = endpoints
        self._folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        self._free = threading.BoundedSemaphore(_AT_ONCE)

    def query(self, wanted: BatchFilter, sql: str, limit: int) -> QueryAnswer:
        """The first `limit` rows of what one SELECT over the table `inferences` gives.

        Raises:
            NotFoundError: no such endpoint.
            QueryInvalidError: the SQL is wrong, or asks for what a query may not do.
            QueryTooLargeError: too many captures, too much memory or time.
            OverloadedError: two other queries are under way.
            QueriesUnavailableError: DuckDB is not installed.
        """
        with self._answered(wanted, sql, "json", limit) as output:
            return msgspec.json.decode(output.read_bytes(), type=QueryAnswer)

    def export(self, wanted: BatchFilter, where: str | None, format: str) -> Path:
        """A file with the rows for which the SQL condition holds; the caller deletes it. Raises as `query`."""
        # Whatever the condition is, it is read where nothing but this table can be reached.
        sql = f"SELECT * FROM inferences WHERE ({where or 'true'}\n)"  # noqa: S608
        with self._answered(wanted, sql, format, 0) as output:
            return output.replace(self._folder / f"{new_id('export')}.{format}")

    @contextmanager
    def _answered(self, wanted: BatchFilter, sql: str, format: str, limit: int) -> Iterator[Path]:
        self._endpoints.get(wanted.project, wanted.endpoint)
        check_range(wanted)
        if not self._free.acquire(blocking=False):
            raise OverloadedError("two queries are under way", hint="Send it again in a few seconds.")
        self._folder.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="query-", dir=self._folder))
        try:
            versions = self._put_captures(wanted, folder)
            signatures = {version: self._endpoints.signature(wanted.project, version) for version in versions}
            job = QueryJob(
                sql=sql,
                limit=limit,
                format=format,
                output=str(folder / "output"),
                signatures={version: found for version, found in signatures.items() if found is not None},
                memory_bytes=_MEMORY_BYTES,
                cpu_seconds=_CPU_SECONDS,
                output_bytes=_OUTPUT_BYTES,
            )
            _run(job, folder)
            yield folder / "output"
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            self._free.release()

    def _put_captures(self, wanted: BatchFilter, folder: Path) -> set[str]:
        """Write the wanted captures and their truth into the folder; returns which versions answered them."""
        versions: set[str] = set()
        count = 0
        for number, (_, table) in enumerate(self._captures.tables(wanted)):
            count += len(table)
            if count > MAXIMUM_CAPTURES:
                raise QueryTooLargeError(
                    f"The query is about more than {MAXIMUM_CAPTURES} inferences",
                    hint="Choose a shorter time with `since` and `until`, or one version.",
                    field="since",
                )
            part = folder / f"part-{number:06d}.parquet"
            write_table(table, part)
            truths = self._truths.truths(wanted.project, wanted.endpoint, table["id"].to_pylist())
            part.with_suffix(".json").write_bytes(msgspec.json.encode(truths))
            pairs = table.group_by(["model", "number"]).aggregate([]).to_pylist()
            versions |= {f"{pair['model']}:{pair['number']}" for pair in pairs}
        return versions


def _run(job: QueryJob, folder: Path) -> None:
    path = folder / "job.json"
    path.write_bytes(msgspec.json.encode(job))
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "modelyard.control.queries.program", str(path)],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
    try:
        _, said = process.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise _too_large(f"it takes longer than {_SECONDS:g} s") from None
    check_answer(process.returncode, said.decode(errors="replace").strip())


def check_answer(code: int, said: str) -> None:
    """Nothing if the query's process ended well; else what it means.

    Raises:
        ModelyardError: as `QueryService.query` names them.
    """
    if code == 0:
        return
    if code == EXIT_UNAVAILABLE:
        raise QueriesUnavailableError("DuckDB is not installed", hint="pip install 'modelyard[queries]'")
    if code == EXIT_QUERY_INVALID:
        raise QueryInvalidError(
            f"The query cannot be answered: {said[:1000]}",
            hint="Send one SELECT over the table `inferences`; DESCRIBE is `SELECT * FROM inferences LIMIT 1`.",
            field="sql",
        )
    if code in (EXIT_TOO_LARGE, -signal.SIGXCPU, -signal.SIGXFSZ, -signal.SIGKILL):
        raise _too_large(said or f"it takes more than {_CPU_SECONDS} s of processor time")
    raise InternalError(f"The query's process ended with code {code}: {said[-1000:]}", hint="See control's log.")


def _too_large(reason: str) -> QueryTooLargeError:
    return QueryTooLargeError(
        f"The query is too large: {reason}",
        hint="Choose a shorter time with `since` and `until`, or count less.",
        field="sql",
    )
