"""What the kernel's figures say about the machine, and when nothing should be predicted on it."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from modelyard.kit.files import write_atomic
from modelyard.kit.host import HostLoad, HostWatch, observe_host, process_cpu_seconds


def write_proc(
    folder: Path, *, idle: int, steal: int = 0, busy: int = 0, runnable: int = 1, pressure: str = ""
) -> Path:
    write_atomic(folder / "stat", f"cpu  {busy} 0 0 {idle} 0 0 0 {steal} 0 0\ncpu0 1 1 1\n".encode())
    write_atomic(folder / "loadavg", f"1.00 1.00 1.00 {runnable}/300 4711\n".encode())
    if pressure:
        (folder / "pressure").mkdir(exist_ok=True)
        write_atomic(folder / "pressure" / "cpu", f"some avg10={pressure} avg60=0.00 avg300=0.00 total=1\n".encode())
    return folder


def observe_while(folder: Path, **after: int) -> HostLoad:
    """The load that is seen while the counters change."""
    timer = threading.Timer(0.02, lambda: write_proc(folder, **after))
    timer.start()
    load = observe_host(0.1, folder)
    timer.join()
    assert load is not None
    return load


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ({"idle": 190, "busy": 10}, ""),
        ({"idle": 150, "steal": 50}, "the hypervisor takes 50% of the processor time for others"),
        ({"idle": 105, "busy": 95}, "the processors are busy for 95% of the time"),
        (
            {"idle": 190, "busy": 10, "pressure": "55.10"},
            "tasks waited for a processor in 55 % of the last ten seconds",
        ),
    ],
)
def test_a_saturated_machine_says_why(after: dict[str, int], words: str, tmp_path: Path):
    write_proc(tmp_path, idle=100)
    assert observe_while(tmp_path, **after).saturation == words


def test_a_queue_of_tasks_is_saturation_whatever_the_counters_say(tmp_path: Path):
    cores = os.cpu_count() or 1
    write_proc(tmp_path, idle=100, runnable=20 * cores)
    assert (
        f"tasks want to run on {cores} processors" in observe_while(tmp_path, idle=200, runnable=20 * cores).saturation
    )


def test_without_the_kernels_figures_nothing_is_claimed(tmp_path: Path):
    assert observe_host(0.01, tmp_path) is None
    assert HostWatch(tmp_path).saturation() == ""


def test_a_watch_looks_at_the_time_between_two_questions(tmp_path: Path):
    watch = HostWatch(write_proc(tmp_path, idle=100))
    assert watch.saturation() == ""
    write_proc(tmp_path, idle=100, busy=100)
    assert watch.saturation() == "the processors are busy for 100% of the time"
    write_proc(tmp_path, idle=200, busy=100)
    assert watch.saturation() == ""


def test_the_processor_time_of_a_process_counts_those_below_it():
    work = "import time\nwhile time.process_time() < 0.4: pass"
    work += "\nprint(1, flush=True)\ntime.sleep(60)"
    inner = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {work!r}])"
    process = subprocess.Popen([sys.executable, "-c", inner], stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        assert process_cpu_seconds(process.pid) >= 0.35
        assert process_cpu_seconds(None) == 0
    finally:
        os.killpg(process.pid, 9)
        process.wait()
        process.stdout.close()
