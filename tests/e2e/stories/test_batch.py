"""Batch jobs on a whole platform: the how-to's commands, a million rows through two kills, and a stop."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from modelyard.errors import ModelyardError
from modelyard.sdk.client import Client
from modelyard.settings import Home
from modelyard.storage.objects import open_objects
from modelyard.testing.docs.guide import Guide
from modelyard.testing.programs import Program, kill, until
from modelyard.types.jobs import Job, JobStatus

pytestmark = pytest.mark.slow
GUIDE = Guide("docs/how-to/run-batch-inference.md")
MILLION = 1_000_000


def houses(rows: int, seed: int = 0) -> pa.Table:
    random = np.random.default_rng(seed)
    area = random.uniform(20, 200, rows).astype(np.float32)
    rooms = random.integers(1, 9, rows).astype(np.int32)
    town = pa.array(random.choice(["delft", "paris", "rome"], rows))
    return pa.table({"rooms": rooms, "area": area, "town": town})


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A platform with the model "houses", a boosted one that takes its time, and the dataset "new-houses"."""
    folder = tmp_path_factory.mktemp("platform")
    program = Program(folder / "home", "modelyard.server.up")
    try:
        url = program.start("--port", "0").ready()
        table = houses(2000)
        price = table["area"].to_numpy() * 3 + table["rooms"].to_numpy() * 10 + (np.arange(2000) % 7)
        pq.write_table(table.append_column("price", pa.array(price)), folder / "houses.parquet")
        named = houses(500, seed=1).append_column("id", pa.array(range(500)))
        pq.write_table(named, folder / "new.parquet")
        with Client(url, program.token) as client:
            client.datasets.upload("houses", folder / "houses.parquet")
            client.datasets.upload("new-houses", folder / "new.parquet")
            client.jobs.train(
                "boosted-trees-regression",
                "houses",
                target="price",
                model="houses",
                hyperparameters={"rounds": 600, "early_stopping_rounds": 0},
                wait=True,
            )
        yield program
    finally:
        program.end()


@pytest.fixture
def client(platform: Program) -> Iterator[Client]:
    with Client(platform.wait_for_line("is ready at ").split("is ready at ")[1].split()[0], platform.token) as client:
        yield client


def test_the_commands_of_the_guide_run_as_they_stand(platform: Program, client: Client, tmp_path: Path):
    table = houses(300, seed=2).append_column("id", pa.array(range(300)))
    pa.csv.write_csv(table, tmp_path / "new-houses.csv")
    pq.write_table(table, tmp_path / "january.parquet")
    objects = open_objects(Home(platform.home).objects.as_uri())
    objects.put_file("inputs/default/january.parquet", tmp_path / "january.parquet")
    said = GUIDE.follow(tmp_path, platform.home, seconds=360)
    assert said.count("rows/s") > 3, "the list of jobs says how far they are"

    client.datasets.download("scored-january", tmp_path / "scored.parquet")
    scored = pq.read_table(tmp_path / "scored.parquet")
    assert scored.column_names == ["id", "town", "prediction", "error"]
    assert scored["id"].to_pylist() == list(range(300))
    source = client.datasets.version("scored-january").source
    assert (source["model"], source["input"]) == ("houses:1", "inputs/default/january.parquet")
    assert client.datasets.version("scored-houses", 1).source["input"] == "new-houses:1"
    assert client.datasets.version("scored-houses", 2).source["input"] == "scored-houses-input:1"


def test_a_million_rows_survive_kills_of_the_job_and_of_control_and_no_finished_shard_is_done_again(
    platform: Program, client: Client, tmp_path: Path
):
    table = houses(MILLION, seed=3).append_column("id", pa.array(np.arange(MILLION)))
    pq.write_table(table, tmp_path / "million.parquet", row_group_size=100_000)
    job = client.jobs.batch("houses", file=tmp_path / "million.parquet", output="million", keep=["id"])

    before = under_way(client, job.id, rows=1)
    kill(platform.home, "modelyard.algorithms.run")
    again = under_way(client, job.id, rows=before.progress.rows + 1)
    assert again.attempt == 2
    kill(platform.home, "modelyard.server.control")
    until(lambda: is_answered(client, job.id), "control is back")
    ended = client.jobs.wait(job.id, timeout_seconds=300)

    assert ended.attempt == 2, "the job's process outlives control"
    assert ended.result["rows_resumed"] >= before.progress.rows
    assert (ended.progress.rows, ended.progress.total_rows, ended.progress.failed_rows) == (MILLION, MILLION, 0)
    client.datasets.download("million", tmp_path / "scored.parquet")
    scored = pq.read_table(tmp_path / "scored.parquet")
    assert np.array_equal(scored["id"].to_numpy(), np.arange(MILLION))
    assert scored["error"].null_count == MILLION
    assert np.corrcoef(scored["prediction"].to_numpy(), table["area"].to_numpy())[0, 1] > 0.9
    assert "are kept" in "\n".join(client.jobs.logs(job.id))

    stopped = client.jobs.batch("houses", dataset="million-input", output="never", keep=[])
    seen = under_way(client, stopped.id, rows=1).progress
    assert seen.expected_end is not None
    assert 0 < seen.rows < seen.total_rows
    client.jobs.stop(stopped.id)
    until(lambda: client.jobs.get(stopped.id).status is JobStatus.STOPPED, "it is stopped")
    folders = Home(platform.home).run / "batches"
    until(lambda: not list(folders.iterdir()), "its shards are gone")


def under_way(client: Client, id: str, rows: int) -> Job:
    """The job, once it tells of so many rows and before it has ended."""
    deadline = time.monotonic() + 180
    while True:
        job = client.jobs.get(id)
        assert not job.status.is_final, job
        if job.progress is not None and rows <= job.progress.rows < job.progress.total_rows:
            return job
        assert time.monotonic() < deadline, job
        time.sleep(0.02)


def is_answered(client: Client, id: str) -> bool:
    """False while there is no control process to ask."""
    try:
        return client.jobs.get(id) is not None
    except ModelyardError:
        return False
