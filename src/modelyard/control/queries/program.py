"""The process that answers one query: `python -m modelyard.control.queries.program JOB.json`.

It knows no database, no object store and no secret, may use so much memory and time, and its DuckDB reads no file: the
captures were put into its folder, and it turns them into the one table that the SQL can see. Whatever the SQL does, it
does it here.
"""

import csv
import resource
import sys
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from modelyard.types.monitoring import QueryAnswer
from modelyard.types.signatures import Scalar, Signature

EXIT_QUERY_INVALID = 3
EXIT_TOO_LARGE = 4
EXIT_UNAVAILABLE = 5

_BATCH = 10_000


class QueryJob(msgspec.Struct, frozen=True, kw_only=True):
    """What to do. The captures are `part-*.parquet` beside the job's file, the truths `part-*.json`."""

    sql: str
    limit: int
    format: str
    output: str
    signatures: dict[str, Signature]
    memory_bytes: int
    cpu_seconds: int
    output_bytes: int


def main(path: Path) -> int:
    """Answer the job; returns the exit code. What is wrong with it is said on standard error."""
    job = msgspec.json.decode(path.read_bytes(), type=QueryJob)
    try:
        import duckdb  # noqa: PLC0415 - an extra
    except ImportError:
        return EXIT_UNAVAILABLE
    _limit(job)
    try:
        connection = _database(path.parent, job)
        statements = duckdb.extract_statements(job.sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            sys.stderr.write("it is not one SELECT statement")
            return EXIT_QUERY_INVALID
        _WRITERS[job.format](connection.execute(statements[0]), job)
    except (MemoryError, duckdb.OutOfMemoryException):
        sys.stderr.write(f"it takes more than {job.memory_bytes} bytes of memory")
        return EXIT_TOO_LARGE
    except duckdb.Error as error:
        sys.stderr.write(str(error))
        return EXIT_QUERY_INVALID
    return 0


def _limit(job: QueryJob) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (job.cpu_seconds, job.cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (job.output_bytes, job.output_bytes))
    resource.setrlimit(resource.RLIMIT_DATA, (2 * job.memory_bytes, 2 * job.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _database(folder: Path, job: QueryJob) -> Any:
    """A database whose only table is `inferences`, and that cannot reach anything else."""
    import duckdb  # noqa: PLC0415 - an extra
    import pyarrow.parquet as pq  # noqa: PLC0415 - only here

    from modelyard.control.queries.flatten import flatten, joined  # noqa: PLC0415 - it needs pyarrow

    parts = []
    for path in sorted(folder.glob("part-*.parquet")):
        truths = msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=dict[str, list[Scalar | None]])
        parts.append(flatten(pq.read_table(path), job.signatures, truths))
    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": 1,
            "memory_limit": f"{job.memory_bytes // (1 << 20)}MiB",
            "python_enable_replacements": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )
    connection.register("inferences", joined(parts))
    for setting in ("temp_directory = ''", "TimeZone = 'UTC'", "enable_external_access = false"):
        connection.execute(f"SET {setting}")
    connection.execute("SET lock_configuration = true")
    return connection


def _write_json(result: Any, job: QueryJob) -> None:
    rows = result.fetchmany(job.limit + 1)
    answer = QueryAnswer(
        columns=tuple(column[0] for column in result.description),
        types=tuple(str(column[1]) for column in result.description),
        rows=[[_plain(value) for value in row] for row in rows[: job.limit]],
        is_truncated=len(rows) > job.limit,
    )
    Path(job.output).write_bytes(msgspec.json.encode(answer))


def _write_parquet(result: Any, job: QueryJob) -> None:
    import pyarrow.parquet as pq  # noqa: PLC0415 - only here

    reader = result.to_arrow_reader(_BATCH)
    with pq.ParquetWriter(job.output, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)


def _write_csv(result: Any, job: QueryJob) -> None:
    with Path(job.output).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([column[0] for column in result.description])
        for row in _rows(result):
            writer.writerow(["" if value is None else _plain(value) for value in row])


def _rows(result: Any) -> Iterator[tuple[Any, ...]]:
    while rows := result.fetchmany(_BATCH):
        yield from rows


def _plain(value: Any) -> Any:
    """As JSON has it: times as text, NaN as null, everything that JSON has no type for as text."""
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None  # noqa: PLR0124 - NaN
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, datetime | date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else str(value)


_WRITERS: dict[str, Callable[[Any, QueryJob], None]] = {
    "json": _write_json,
    "parquet": _write_parquet,
    "csv": _write_csv,
}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
