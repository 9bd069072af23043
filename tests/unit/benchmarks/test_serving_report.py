"""The report of `make bench-serving` says what was measured, what was not, and what was not reached."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def load(peer: str, rate: float, **changes: object) -> dict[str, object]:
    load = {"kind": "load", "peer": peer, "work": "W1", "connections": 64, "repetition": 0, "requests": 1, "rate": rate}
    return load | {"p50_ms": 1.0, "p99_ms": 2.0, "cpu_us": 20.0, "failures": 0, "watched": 9, "wrong": 0} | changes


def memory(role: str, rss_mb: float) -> dict[str, object]:
    own = {"kind": "memory", "peer": "modelyard", "model": "linear", "role": role}
    return own | {"rss_mb": rss_mb, "pss_mb": rss_mb / 2, "processes": 1}


RUN = {"kind": "run", "at": "today", "cores": 2, "wrk": "wrk", "seconds": 1, "repetitions": 3, "load_average": 0.1}
RECORDS = [
    RUN | {"about": {"modelyard": "all of it"}},
    load("modelyard", 10.0, cpu_us=90.0),
    load("modelyard", 600.0, repetition=1, failures=2),
    load("modelyard", 700.0, repetition=2, wrong=1),
    load("echo", 1000.0),
    load("fastapi", 60.0),
    memory("gateway", 110.0),
    memory("worker", 90.0),
    memory("others", 70.0),
    {"kind": "start", "peer": "modelyard", "model": "linear", "seconds": 4.0, "cold_start_seconds": 0.5},
    {"kind": "missing", "peer": "torchserve", "why": "no Java"},
    {"kind": "failed", "peer": "mlserver", "works": "W1", "why": "wrong answer"},
]


def test_a_report_names_what_was_reached_what_was_not_and_what_is_missing(tmp_path):
    (tmp_path / "records.jsonl").write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    command = [sys.executable, "-m", "benchmarks.serving", "--only-report", "--output", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    lines = (tmp_path / "report.md").read_text().splitlines()
    assert "| W1, 64 connections: share of the bare echo | 0.6 | at least 0.5 |  | reached |" in lines
    assert "| W1, 64 connections: times the best peer (fastapi) | 10 | at least 12 |  | **not reached** |" in lines
    assert "| W1, 64 connections: times bentoml | - | at least 40 |  | not measured |" in lines
    assert "| memory of gateway and one worker | 200 | under 170 | MB | **not reached** |" in lines
    assert "| proportional memory of gateway and one worker | 100 | under 170 | MB | reached |" in lines
    assert "| modelyard | linear | others | 1 | 70 | 35 |" in lines
    assert "| cold start of an endpoint | 0.5 | under 1 | s | reached |" in lines
    assert "| modelyard | - | - | - | - | 0 | - | - | - | - | 0 | 600 | 1 | 2 | 20 | 3 |" in lines
    assert "- torchserve could not be installed: no Java" in lines
    assert "- mlserver, W1: wrong answer" in lines
