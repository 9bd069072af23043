"""What the platform costs before it does anything: start-up time, idle memory and CPU of each process, and the seconds
from registering a model made elsewhere to its first answer. Usage: python benchmarks/footprint.py
"""

import os
import tempfile
import time
from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

import modelyard
from modelyard.quickstart.platform import start_platform, stop_platform

IDLE_SECONDS = 10.0
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Start, measure, stop."""
    with tempfile.TemporaryDirectory(prefix="modelyard-") as folder:
        home = Path(folder) / "home"
        started = time.monotonic()
        supervisor = start_platform(home)
        print(f"start-up to ready: {time.monotonic() - started:.1f} s")
        try:
            with modelyard.Client(home=home) as client:
                print(f"register to first answer: {first_answer(client, Path(folder)):.1f} s")
            time.sleep(3)
            report(home, supervisor)
        finally:
            stop_platform(home)


def first_answer(client: modelyard.Client, folder: Path) -> float:
    """Seconds for: register an ONNX file, deploy it, get the first prediction."""
    data, target = load_breast_cancer(return_X_y=True)
    rows = data.astype(np.float32)
    file = folder / "model.onnx"
    file.write_bytes(to_onnx(LogisticRegression(max_iter=5000).fit(rows, target), rows[:1]).SerializeToString())
    started = time.monotonic()
    version = client.models.register("tumours", file)
    client.endpoints.deploy("tumours", version.ref, wait=True)
    client.predict("tumours", rows[:1])
    return time.monotonic() - started


def report(home: Path, supervisor: int) -> None:
    """A line for each process that belongs to this platform."""
    processes = {pid: line for pid, line in commands().items() if str(home) in line or pid == supervisor}
    before = {pid: cpu_seconds(pid) for pid in processes}
    time.sleep(IDLE_SECONDS)
    print(f"{'process':34} {'RSS MiB':>8} {'PSS MiB':>8} {'idle CPU %':>10}")
    for pid, line in processes.items():
        rss, pss = memory_mib(pid)
        busy = (cpu_seconds(pid) - before[pid]) / IDLE_SECONDS * 100
        print(f"{name_of(line):34} {rss:8.0f} {pss:8.0f} {busy:10.1f}")


def commands() -> dict[int, str]:
    """pid -> command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
    return found


def name_of(line: str) -> str:
    """The part of a command line that a person would call it by."""
    for module in (
        "server.up",
        "server.control",
        "server.gateway",
        "dataplane.worker",
        "dataplane.host",
        "engines.local.shim",
    ):
        if f"modelyard.{module}" in line or module.replace(".", "/") in line:
            return module if "bwrap" not in line.split(maxsplit=1)[0] else "bwrap"
    return line[:32]


def memory_mib(pid: int) -> tuple[float, float]:
    """Resident and proportional memory."""
    values = dict.fromkeys(("Rss", "Pss"), 0)
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        if name in values:
            values[name] = int(rest.split()[0])
    return values["Rss"] / 1024, values["Pss"] / 1024


def cpu_seconds(pid: int) -> float:
    """User and system time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


if __name__ == "__main__":
    main()
