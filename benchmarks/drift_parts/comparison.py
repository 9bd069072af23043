"""The same windows for Modelyard, river and Evidently's default preset: false alarms, power, delay, seconds."""

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
from benchmarks.drift_parts.tables import COLUMNS, detect, reference_of
from benchmarks.serving.environments import Environment, SetUpError

from modelyard.drift.base import DetectionSettings

APPS = Path(__file__).parent / "apps"
PEERS = {
    "river": Environment("river", ("river==0.26.1",)),
    "evidently": Environment("evidently", ("evidently==0.7.23", "pandas<3")),
}
REFERENCE_ROWS = 10_000
OURS = {
    "Modelyard, 5 % a check": DetectionSettings(alarms_per_week=1e9, checks_per_week=1),
    "Modelyard, 1 alarm a week, hourly": DetectionSettings(alarms_per_week=1, checks_per_week=168),
}
Answers = list[dict[str, tuple[bool, float]]]
Shift = Callable[[np.ndarray], None]
STREAM_ROWS, CHANGE_AT, WINDOW, STEP = 4_000, 2_500, 1_000, 250


def _nothing(_: np.ndarray) -> None:
    """No drift."""


def _three(size: float) -> Shift:
    def shift(values: np.ndarray) -> None:
        values[:, :3] += size

    return shift


def _all(size: float) -> Shift:
    def shift(values: np.ndarray) -> None:
        values += size

    return shift


SCENARIOS: dict[str, tuple[int, int, Shift]] = {
    "no drift, n = 100": (100, 10, _nothing),
    "no drift, n = 1,000": (1_000, 10, _nothing),
    "no drift, n = 10,000": (10_000, 4, _nothing),
    "0.02 sd in every column, n = 100,000": (100_000, 2, _all(0.02)),
    "0.3 sd in 3 of 30, n = 1,000": (1_000, 10, _three(0.3)),
    "0.5 sd in 3 of 30, n = 300": (300, 10, _three(0.5)),
}


def compare() -> Iterable[str]:
    """The table, line by line."""
    random = np.random.default_rng(20_260_101)
    reference = random.standard_normal((REFERENCE_ROWS, COLUMNS), dtype=np.float32)
    for title, (rows, checks, shift) in SCENARIOS.items():
        windows = random.standard_normal((checks, rows, COLUMNS), dtype=np.float32)
        for window in windows:
            shift(window)
        yield f"\n{title} ({checks} checks)"
        yield f"    {'':38} alarms   cpu seconds a check"
        for name, found in judged(reference, windows).items():
            alarms = np.mean([alarm for alarm, _ in found])
            seconds = np.median([spent for _, spent in found])
            yield f"    {name:38} {100 * alarms:5.0f} %   {seconds:.3f}"
    yield f"\n0.5 sd in 3 of 30 columns from row {CHANGE_AT:,} of a stream; every {STEP} rows the newest {WINDOW:,}"
    yield f"    {'':38} checks that alarm before, rows from the change to the first alarm (median of streams)"
    yield from _delays(random, reference)


def judged(reference: np.ndarray, windows: np.ndarray) -> Mapping[str, list[tuple[bool, float]]]:
    """(alarm, cpu seconds) of each window, by detector; peers that cannot be set up say so and are left out."""
    found: dict[str, list[tuple[bool, float]]] = {}
    sketch = reference_of(reference)
    for window in windows:
        for name, settings in OURS.items():
            started = time.process_time()
            alarm = detect(sketch, window, settings)
            found.setdefault(name, []).append((alarm, time.process_time() - started))
    for name, environment in PEERS.items():
        for answer in _peer(name, environment, reference, windows):
            for detector, (alarm, seconds) in answer.items():
                found.setdefault(detector, []).append((alarm, seconds))
    return found


def _peer(name: str, environment: Environment, reference: np.ndarray, windows: np.ndarray) -> Answers:
    try:
        environment.ensure()
    except SetUpError as error:
        print(f"    {name}: not installed: {error}")
        return []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "windows.npz"
        np.savez(file, reference=reference, windows=windows)
        app = [environment.program("python"), str(APPS / f"{name}_app.py"), str(file)]
        done = subprocess.run(["nice", *app], capture_output=True, text=True, check=True, timeout=1800)
    answers: Answers = json.loads(done.stdout.splitlines()[-1])
    return answers


def _delays(random: np.random.Generator, reference: np.ndarray, streams: int = 2) -> Iterable[str]:
    """A window that slides over a stream: what alarms before a change, and how long after it the first alarm comes."""
    false: dict[str, list[float]] = {}
    delays: dict[str, list[float]] = {}
    for _ in range(streams):
        stream = random.standard_normal((STREAM_ROWS, COLUMNS), dtype=np.float32)
        stream[CHANGE_AT:, :3] += 0.5
        ends = np.arange(WINDOW, STREAM_ROWS + 1, STEP)
        windows = np.stack([stream[end - WINDOW : end] for end in ends])
        for name, answers in judged(reference, windows).items():
            alarms = np.array([alarm for alarm, _ in answers])
            false.setdefault(name, []).append(float(alarms[ends <= CHANGE_AT].mean()))
            after = ends[(ends > CHANGE_AT) & alarms]
            delays.setdefault(name, []).append(float(after[0] - CHANGE_AT) if len(after) else float("inf"))
    for name, shares in false.items():
        yield f"    {name:38} {100 * np.mean(shares):5.0f} %   {np.median(delays[name]):.0f}"
