"""Profiles of real processes, each of which is limited by something else, and what is said and drawn of them."""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from modelyard.control.jobs.profiling.picture import picture_of
from modelyard.control.jobs.profiling.reading import profile_of
from modelyard.engines.local.engine import LocalEngine
from modelyard.kit.ids import new_id
from modelyard.settings import Home
from modelyard.types.debugging.profiles import ProcessSample, Profile
from modelyard.types.jobs import Job, JobKind, JobRecipe, JobStatus, MetricPoint
from modelyard.types.processes import ProcessSpec, Resources

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MIB = 1 << 20
BUSY = "import time; end = time.monotonic() + 3.2\nwhile time.monotonic() < end: sum(range(10_000))"
IDLE = "import time; block = bytearray(90 << 20); block[::4096] = bytes(len(block[::4096])); time.sleep(3.2)"
READING = """
import time
for _ in range(64):
    with open("/dev/zero", "rb") as file:
        file.read(1 << 20)
    time.sleep(0.05)
open("made", "wb").write(bytes(5 << 20))
time.sleep(1.2)
"""


def job(cpus: float = 1.0, memory_bytes: int | None = None) -> Job:
    return Job(
        project="default",
        id="job-1",
        kind=JobKind.SCRIPT,
        status=JobStatus.RUNNING,
        recipe=JobRecipe(algorithm="script"),
        resources=Resources(cpus=cpus, memory_bytes=memory_bytes),
        model=None,
        attempt=1,
        sandbox=None,
        created_at=NOW,
    )


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[ProcessSample]]:
    """What the local engine's supervisors wrote down of three programs that ran at the same time."""
    home = Home(tmp_path_factory.mktemp("home"))
    home.create()
    engine = LocalEngine(home)
    ids = {}
    for name, program in (("busy", BUSY), ("idle", IDLE), ("reading", READING)):
        folder = tmp_path_factory.mktemp(name)
        ids[name] = new_id("process")
        command = (sys.executable, "-c", program)
        engine.submit(ids[name], ProcessSpec(command=command, work_directory=str(folder), resources=Resources(cpus=1)))
    try:
        for each in ids.values():
            assert engine.wait(each, 60).end.exit_code == 0
        return {name: list(engine.samples(each)) for name, each in ids.items()}
    finally:
        for each in ids.values():
            engine.remove(each)


def test_a_busy_program_is_cpu_bound_or_held_up_by_others(sampled: dict[str, list[ProcessSample]]):
    profile = profile_of(job(), sampled["busy"], [])
    last = sampled["busy"][-1]
    assert last.cpu_seconds + last.waiting_seconds > 0.6 * profile.seconds, "it always could have run"


def test_a_program_that_sleeps_waits_and_its_memory_is_seen_beside_its_limit(sampled: dict[str, list[ProcessSample]]):
    profile = profile_of(job(memory_bytes=100 * MIB), sampled["idle"], [])
    assert 90 * MIB < profile.max_memory_bytes < 140 * MIB
    assert "Its memory is near its limit" in profile.verdicts[1]


def test_a_program_that_reads_waits_for_input(sampled: dict[str, list[ProcessSample]]):
    profile = profile_of(job(cpus=4.0), sampled["reading"], [])
    assert profile.read_bytes > 60 * MIB
    assert 5 * MIB <= profile.written_bytes < 7 * MIB


def made_up(
    count: int, *, cores: float = 0.5, waiting: float = 0.0, blocked: float = 0.5, read: int = 0
) -> list[ProcessSample]:
    """Looks at a job a second apart; the rates are per second, and in the last looks it waits for the disk."""
    return [
        ProcessSample(
            at=NOW.timestamp() + second,
            cpu_seconds=second * cores,
            waiting_seconds=second * waiting,
            blocked_tasks=int(second > count * (1 - blocked)),
            memory_bytes=MIB,
            read_bytes=second * read,
            written_bytes=0,
        )
        for second in range(count)
    ]


@pytest.mark.parametrize(
    ("usage", "said"),
    [
        ({"cores": 0.97}, "It is CPU bound"),
        ({"cores": 0.5, "waiting": 0.5}, "It is held up by other work"),
        ({"blocked": 0.5}, "It waits for the disk"),
        ({"blocked": 0.1, "read": 30 * MIB}, "It waits for input"),
        ({"blocked": 0.1}, "It mostly waits"),
    ],
)
def test_what_limits_a_job_is_said_first(usage: dict[str, float], said: str):
    assert profile_of(job(), made_up(20, **usage), []).verdicts[0].startswith(said)


def test_two_looks_at_the_disk_are_chance():
    assert profile_of(job(), made_up(4), []).verdicts[0].startswith("It mostly waits")


def test_steps_are_counted_by_the_figure_with_the_most_of_them():
    figures = [
        MetricPoint(name=name, value=1.0, step=step, at=datetime.fromtimestamp(NOW.timestamp() + step / 4, UTC))
        for step in range(400)
        for name in ("loss", "gradient_norm", *(["accuracy"] if step % 10 == 0 else []))
    ]
    profile = profile_of(job(), made_up(101), figures)
    assert (profile.step_metric, profile.step_seconds) == ("loss", pytest.approx(0.25))
    assert profile.points[50].steps_per_second == pytest.approx(4, rel=0.3)
    assert "It waits for the disk" in profile.verdicts[0]


def test_a_long_job_has_few_points_and_a_picture_that_is_xml():
    began = time.monotonic()
    profile = profile_of(job(), made_up(5000), [])
    assert 200 < len(profile.points) <= 240
    assert profile.points[-1].seconds == 4999
    root = ET.fromstring(picture_of(profile))
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"CPU", "Memory", "Read", "Written", "Job job-1", profile.verdicts[0]} <= set(texts)
    assert len(list(root.iter("{http://www.w3.org/2000/svg}polyline"))) == 5
    assert time.monotonic() - began < 5


def test_words_in_a_picture_cannot_become_its_elements(tmp_path: Path):
    profile = profile_of(job(), made_up(3), [])
    strange = Profile(**{name: getattr(profile, name) for name in Profile.__slots__} | {"job": "<script>&"})
    picture = tmp_path / "picture.svg"
    picture.write_text(picture_of(strange))
    assert "<script>" not in picture.read_text()
    ET.parse(picture)
