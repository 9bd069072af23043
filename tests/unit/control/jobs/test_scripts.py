"""The parts of script jobs: metrics by pattern, snapshots, channels as folders, checkpoints, and gangs."""

import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from modelyard.algorithms.base import Channel
from modelyard.algorithms.programs import ranks
from modelyard.control.jobs.errors import JobInvalidError
from modelyard.control.jobs.output import JobOutput, parse_metrics
from modelyard.control.jobs.scripts.channels import ChannelFolders
from modelyard.control.jobs.scripts.checkpoints import Checkpoints
from modelyard.control.jobs.scripts.errors import SnapshotInvalidError
from modelyard.control.jobs.scripts.metrics import UNCOUNTED, check_definitions, metric_points
from modelyard.control.jobs.scripts.places import Places
from modelyard.control.jobs.scripts.snapshots import Snapshots
from modelyard.kit.metric_lines import log_metric
from modelyard.settings import Home
from modelyard.storage.objects import open_objects
from modelyard.types.datasets import DatasetFormat
from modelyard.types.jobs import JobRecipe
from modelyard.types.models import DataReference
from modelyard.types.processes import LogChunk
from modelyard.types.scripting.recipes import MetricDefinition
from modelyard.types.tuning.generations import Generation

NOW = datetime(2026, 1, 1, tzinfo=UTC)
JOB = SimpleNamespace(id="job-1", recipe=JobRecipe(algorithm="script"))


def defined(**patterns: str) -> tuple[MetricDefinition, ...]:
    return tuple(MetricDefinition(name=name, regex=regex) for name, regex in patterns.items())


def packed(files: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def test_metrics_are_read_where_the_first_group_of_a_pattern_is_a_number():
    text = "epoch 1 loss: 0.5 acc=90%\nepoch 2 loss: nan acc=91%\r\nnothing\nloss: 1e-3, then loss: 7\n"
    definitions = defined(loss=r"loss: (\S+?),?(?: |$)", accuracy="acc=([0-9]+)%", none="(x)?nothing")
    points = metric_points(text, definitions, NOW)
    assert [(point.name, point.value) for point in points] == [
        ("accuracy", 90.0),
        ("loss", 0.5),
        ("accuracy", 91.0),
        ("not_finite/loss", 1.0),
        ("loss", 0.001),
    ]
    assert {point.step for point in points} == {UNCOUNTED}


def test_a_pattern_that_would_take_others_for_ever_takes_no_time_here():
    began = time.monotonic()
    assert metric_points("a" * 5000 + "b\n", defined(trap="((a+)+)+$"), NOW) == []
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("regex", ["loss", "(loss", "(?<=loss)(.)"])
def test_a_pattern_that_is_none_is_refused_with_the_reason(regex: str):
    with pytest.raises(JobInvalidError, match="pattern of metric 'loss'") as refused:
        check_definitions(defined(loss=regex))
    assert refused.value.field == "metrics.0.regex"
    check_definitions(defined(loss="loss=([0-9.]+)"))


def test_what_log_metric_prints_is_what_is_read(capsys: pytest.CaptureFixture[str]):
    log_metric("loss", 0.1, 3)
    log_metric("loss", float("inf"), 4)
    points = parse_metrics(capsys.readouterr().out, NOW)
    assert [(each.name, each.value, each.step) for each in points] == [("loss", 0.1, 3), ("not_finite/loss", 1.0, 4)]


class Printed:
    """An engine whose process has printed these bytes, the first of which are dropped already."""

    def __init__(self, content: bytes, oldest: int = 0) -> None:
        self.content, self.oldest = content, oldest

    def logs(self, _id, offset, limit):
        content = self.content[max(offset, self.oldest) :][:limit]
        return LogChunk(text=content.decode(errors="replace"), next_offset=max(offset, self.oldest) + len(content))


@pytest.mark.parametrize("oldest", [0, 7])
def test_metrics_are_read_once_from_output_that_is_no_utf8_or_was_dropped_in_part(oldest: int):
    content = b'bar \xff\xfe\nmetric {"name": "a", "value": 1}\nhalf a line'
    output = JobOutput(Printed(content, oldest), None)
    job = SimpleNamespace(id="job-1", attempt=1, recipe=JobRecipe(algorithm="script"))
    points, offset = output.metric_lines(job, 0, NOW)
    assert ([point.name for point in points], content[offset:]) == (["a"], b"half a line")
    assert output.metric_lines(job, offset, NOW) == ([], offset)
    endless = JobOutput(Printed(bytes(3 << 20)), None)
    assert endless.metric_lines(job, 0, NOW) == ([], 1 << 20)


def test_equal_code_is_one_snapshot_of_its_project(tmp_path: Path):
    snapshots = Snapshots(open_objects("memory://"))
    content = packed({"train.py": "print()", "parts/a.py": "", "__MACOSX/x": ""})
    snapshot = snapshots.add("mine", content)
    assert snapshots.add("mine", content) == snapshot
    assert snapshot.files == ("parts/a.py", "train.py")
    assert snapshots.unpack("mine", snapshot.digest, tmp_path) == snapshot.files
    assert (tmp_path / "train.py").read_text() == "print()"


@pytest.mark.parametrize(
    "content",
    [
        b"no zip file",
        packed({}),
        packed({"../train.py": ""}),
        packed({"/train.py": ""}),
        packed({"train.py": "", "train.py/more.py": ""}),
        packed({"train.py": "print()"}).replace(b"print()", b"print!!"),
    ],
)
def test_a_snapshot_that_is_damaged_or_leaves_its_folder_is_refused(content: bytes):
    with pytest.raises(SnapshotInvalidError):
        Snapshots(open_objects("memory://")).add("mine", content)


def test_a_channel_is_a_folder_that_is_made_once(tmp_path: Path):
    folders = ChannelFolders(Home(tmp_path / "home"))
    (tmp_path / "table").write_bytes(b"a,b\n1,2\n")
    (tmp_path / "images").write_bytes(packed({"cats/1.png": "1", "dogs/2.png": "2"}))

    def channel(name: str, kind: DatasetFormat) -> Channel:
        reference = DataReference(project="default", dataset=name, number=1, digest=name)
        return Channel(path=tmp_path / name, format=kind, reference=reference)

    table = folders.folder(channel("table", DatasetFormat.CSV))
    assert [path.name for path in table.iterdir()] == ["table.csv"]
    assert (table / "table.csv").samefile(tmp_path / "table"), "not a copy"
    images = folders.folder(channel("images", DatasetFormat.IMAGE_FOLDER))
    assert (images / "dogs" / "2.png").read_text() == "2"
    assert folders.folder(channel("images", DatasetFormat.IMAGE_FOLDER)) == images


def test_checkpoints_follow_a_job_to_another_machine_and_go_with_it(tmp_path: Path):
    objects = open_objects("memory://")
    here, there = (Checkpoints(Home(tmp_path / name), objects, is_shared=True) for name in ("here", "there"))
    folder = here.folder(JOB)
    (folder / "deep").mkdir()
    (folder / "deep" / "step").write_text("7")
    (folder / "leak").symlink_to("/etc/passwd")
    here.keep(JOB)
    found = there.folder(JOB)
    assert [path.relative_to(found).as_posix() for path in found.rglob("*")] == ["deep", "deep/step"]
    (found / "deep" / "step").write_text("8")
    there.keep(JOB)
    assert (here.folder(JOB) / "deep" / "step").read_text() == "8"
    there.remove(JOB)
    assert not found.exists()
    assert [*here.folder(JOB).iterdir()] == []


@pytest.mark.parametrize("is_shared", [False, True])
def test_a_trial_begins_with_what_its_parent_left_and_then_goes_on_from_its_own(tmp_path: Path, is_shared: bool):
    checkpoints = Checkpoints(Home(tmp_path), open_objects("memory://"), is_shared=is_shared)
    child = descendant("job-2", JOB.id)
    (checkpoints.folder(JOB) / "step").write_text("7")
    checkpoints.leave(JOB)
    checkpoints.remove(JOB)
    folder = checkpoints.folder(child)
    assert (folder / "step").read_text() == "7"
    (folder / "step").write_text("8")
    checkpoints.keep(child)
    assert (checkpoints.folder(child) / "step").read_text() == "8", "an attempt goes on from the one before it"
    with pytest.raises(JobInvalidError):
        checkpoints.folder(descendant("job-3", "gone"))


def descendant(job: str, parent: str) -> SimpleNamespace:
    recipe = JobRecipe(algorithm="script", generation=Generation(number=1, parent=parent))
    return SimpleNamespace(id=job, recipe=recipe)


def test_an_image_finds_its_folders_at_fixed_places_and_a_script_where_they_are(tmp_path: Path):
    data = tmp_path / "houses"
    kept = tmp_path / "kept"
    script, image = (
        Places(folder=tmp_path / "job", checkpoints=kept, channels={"train": data}, is_in_image=is_in_image)
        for is_in_image in (False, True)
    )
    assert script.seen("data/train") == str(data)
    assert {mount.target for mount in script.mounts()} == {""}
    assert {mount.target: (mount.path, mount.is_writable) for mount in image.mounts()} == {
        "/opt/ml/model": (str(tmp_path / "job" / "model"), True),
        "/opt/ml/output/data": (str(tmp_path / "job" / "output"), True),
        "/opt/ml/checkpoints": (str(kept), True),
        "/opt/ml/input/config": (str(tmp_path / "job" / "config"), False),
        "/opt/ml/input/data/train": (str(data), False),
    }


def gang(folder: Path, source: str, members: int = 3) -> "subprocess.Popen[str]":
    (folder / "member.py").write_text("import os, sys, time\nrank = int(os.environ['RANK'])\n" + source)
    command = [sys.executable, "-I", ranks.__file__, str(members), str(folder), sys.executable, "-u", "member.py"]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True, start_new_session=True)


def test_the_output_of_a_gang_says_whose_each_line_is(tmp_path: Path):
    source = "print('metric {}')\nprint(os.environ['WORLD_SIZE'], os.environ['MASTER_ADDR'])\nsys.stdout.write('end')"
    process = gang(tmp_path, source)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert sorted(output.splitlines()) == sorted(
        ["metric {}", "[1] metric {}", "[2] metric {}"]
        + [f"[{rank}] {words}" for rank in range(3) for words in ("3 127.0.0.1", "end")]
    )
    assert not (tmp_path / ranks.ACCOUNT).exists()


@pytest.mark.parametrize(
    ("fault", "code", "how"),
    [("sys.exit(7)", 7, "exit code 7"), ("os.kill(os.getpid(), 9)", 137, "signal 9 (SIGKILL)")],
)
def test_the_first_member_to_fail_ends_its_gang_and_is_named(tmp_path: Path, fault: str, code: int, how: str):
    process = gang(tmp_path, f"if rank == 1: {fault}\ntime.sleep(60)")
    output, _ = process.communicate(timeout=30)
    assert process.returncode == code
    assert f"Rank 1 of 3 ended with {how}" in output
    assert f"Rank 1 of 3 ended with {how}" in (tmp_path / ranks.ACCOUNT).read_text()


def test_a_gang_that_is_asked_to_end_gives_its_members_their_time(tmp_path: Path):
    source = (
        "import signal\ndef save(*_):\n    print('saved', flush=True)\n    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, save)\nprint('ready', flush=True)\ntime.sleep(60)"
    )
    process = gang(tmp_path, source, members=2)
    ready = [process.stdout.readline() for _ in range(2)]
    assert sorted(ready) == ["[0] ready\n", "[1] ready\n"]
    os.killpg(process.pid, signal.SIGTERM)  # as an engine does
    output, _ = process.communicate(timeout=30)
    assert sorted(output.splitlines()) == ["[0] saved", "[1] saved"]
    assert process.returncode == 143
