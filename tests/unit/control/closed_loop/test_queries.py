"""SQL over captures: the right rows and columns, and nothing else within reach."""

import sys
from dataclasses import replace
from datetime import timedelta

import duckdb
import msgspec
import numpy as np
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from msgspec import structs

from modelyard.control.captures.batches import BatchFilter
from modelyard.control.endpoints.errors import EndpointNotFoundError
from modelyard.control.queries import service as service_module
from modelyard.control.queries.errors import QueriesUnavailableError, QueryInvalidError, QueryTooLargeError
from modelyard.control.queries.flatten import FIXED
from modelyard.control.queries.program import EXIT_UNAVAILABLE, QueryJob, _database, main
from modelyard.control.queries.service import QueryService, check_answer
from modelyard.runtimes.tensors import to_raw

ALL = BatchFilter(project="default", endpoint="points")


@pytest.fixture
def queries(world, tmp_path) -> QueryService:
    return QueryService(world.captures, world.feedback, world.endpoints, tmp_path / "queries")


@pytest.fixture
def sent(world):
    """Six rows of version 1, four of version 2; the first four labelled rightly, the next two wrongly."""
    records = world.traffic(3, rows=2)
    world.label(records[:2])
    world.label(records[2:], is_right=False)
    return [*records, *world.traffic(4, number=2)]


def test_rows_have_features_answers_and_truth(world, queries, sent):
    answer = queries.query(ALL, "SELECT * FROM inferences ORDER BY happened_at, row_index", 100)
    assert answer.columns[: len(FIXED)] == FIXED
    assert answer.columns[len(FIXED) :] == ("x", "y", "answer_label", "answer_0", "answer_1", "truth")
    rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    assert len(rows) == 10
    features = np.frombuffer(sent[0].inputs[0].data, dtype=np.float32).reshape(2, 2)
    assert [[row["x"], row["y"]] for row in rows[:2]] == features.tolist()
    assert (rows[1]["inference_id"], rows[1]["row_index"], rows[1]["request_rows"]) == (sent[0].id, 1, 2)
    assert rows[0]["happened_at"].startswith("2026-01-01T00:00:01")
    assert [row["truth"] == str(row["answer_label"]) for row in rows[:6]] == [True] * 4 + [False] * 2
    assert [row["truth"] for row in rows[6:]] == [None] * 4


def test_requests_are_found_by_the_trace_they_were_in(world, queries, sent):
    (record,) = world.records(1)
    world.write([structs.replace(record, traceparent=f"00-{'a' * 32}-{'b' * 16}-01")])
    world.ingest.run_once()
    select = f"SELECT inference_id, parent_span_id FROM inferences WHERE trace_id = '{'a' * 32}'"
    assert queries.query(ALL, select, 100).rows == [[record.id, "b" * 16]]
    assert queries.query(ALL, "SELECT count(*) FROM inferences WHERE trace_id IS NULL", 1).rows == [[10]]


def test_time_version_and_slice_narrow_a_query_down(world, queries, sent):
    def count(wanted, where="true") -> int:
        return queries.query(wanted, f"SELECT count(*) FROM inferences WHERE {where}", 1).rows[0][0]

    start = world.clock.now() - timedelta(seconds=7)
    assert count(replace(ALL, version="points:2")) == 4
    assert count(replace(ALL, since=start + timedelta(seconds=2), until=start + timedelta(seconds=3))) == 4
    assert count(ALL, "(x > 0) != (answer_label = 1)") == 0
    assert queries.query(ALL, "SELECT version, count(*) FROM inferences GROUP BY 1 ORDER BY 1", 1).is_truncated


def test_missing_values_and_changed_types_are_queried_too(world, queries):
    (record,) = world.records(1)
    numbers = to_raw("numeric", np.array([[np.nan, 1]], dtype=np.float32))
    text = to_raw("extra", np.array(["seven"], dtype=object))
    (other,) = world.records(1)
    world.write(
        [
            structs.replace(record, inputs=(numbers, text)),
            structs.replace(other, inputs=(*other.inputs, to_raw("extra", np.array([7], dtype=np.int64)))),
        ]
    )
    world.ingest.run_once()
    answer = queries.query(ALL, "SELECT x IS NULL, extra FROM inferences ORDER BY happened_at", 9)
    assert answer.rows == [[True, "seven"], [False, "7"]]


JOB = QueryJob(
    sql="", limit=1, format="json", output="", signatures={}, memory_bytes=1 << 28, cpu_seconds=1, output_bytes=1
)
FORBIDDEN = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM read_text('job.json')",
    "SELECT * FROM read_blob('/etc/hosts')",
    "SELECT * FROM read_parquet('https://example.com/x.parquet')",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM parts",
    "COPY (SELECT 1) TO 'x.csv'",
    "ATTACH 'x.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "SET memory_limit = '100GB'",
]


def test_the_database_reaches_nothing_but_the_captures(tmp_path):
    connection = _database(tmp_path, JOB)
    for sql in FORBIDDEN:
        with pytest.raises(duckdb.Error):
            connection.execute(sql).fetchall()
    assert connection.execute("SELECT count(*) FROM inferences").fetchall() == [(0,)]
    connection.close()


@pytest.mark.parametrize(
    "sql", [FORBIDDEN[0], "CREATE TABLE x (a INT)", "SELECT 1; SELECT 2", "SELECT nothing FROM inferences", "SELEC"]
)
def test_a_query_is_one_select_that_can_be_answered(queries, sent, sql):
    with pytest.raises(QueryInvalidError):
        queries.query(ALL, sql, 10)


def test_too_much_time_memory_or_captures_ends_a_query(world, queries, sent, monkeypatch):
    monkeypatch.setattr(service_module, "_CPU_SECONDS", 2)
    with pytest.raises(QueryTooLargeError, match="processor time"):
        queries.query(ALL, "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b", 1)
    monkeypatch.setattr(service_module, "_MEMORY_BYTES", 256 << 20)
    with pytest.raises(QueryTooLargeError, match="memory"):
        queries.query(ALL, "SELECT list(range) FROM range(200000000)", 1)
    monkeypatch.setattr(service_module, "MAXIMUM_CAPTURES", 5)
    with pytest.raises(QueryTooLargeError, match="more than 5"):
        queries.query(ALL, "SELECT 1", 1)


def test_a_slice_is_exported_as_parquet_and_csv(queries, sent, tmp_path):
    path = queries.export(ALL, "truth IS NOT NULL -- the labelled ones", "parquet")
    assert pq.read_table(path).num_rows == 6
    path = queries.export(ALL, None, "csv")
    table = pyarrow.csv.read_csv(path)
    assert (table.num_rows, table.column_names[:2]) == (10, ["inference_id", "row_index"])
    assert {each.suffix for each in (tmp_path / "queries").iterdir()} == {".parquet", ".csv"}


def test_captures_of_nobody_and_of_nothing_are_answered(queries, world):
    with pytest.raises(EndpointNotFoundError):
        queries.query(replace(ALL, endpoint="nobody"), "SELECT 1", 1)
    assert queries.query(ALL, "SELECT count(*) FROM inferences", 1).rows == [[0]]


def test_without_duckdb_a_query_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    (tmp_path / "job.json").write_bytes(msgspec.json.encode(JOB))
    assert main(tmp_path / "job.json") == EXIT_UNAVAILABLE
    with pytest.raises(QueriesUnavailableError) as caught:
        check_answer(EXIT_UNAVAILABLE, "")
    assert "modelyard[queries]" in caught.value.hint
