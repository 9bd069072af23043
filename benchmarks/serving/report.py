"""A Markdown report of a run."""

from pathlib import Path

from benchmarks.serving.acceptance import lines
from benchmarks.serving.records import Records
from benchmarks.serving.works import ALL as WORKS

_CONNECTIONS = (1, 16, 64)


def write_report(records: Records, path: Path) -> None:
    """Write it, and say where."""
    parts = [_head(records), _acceptance(records)]
    parts += [_work(records, name) for name in WORKS if any(records.of("load", work=name))]
    parts += [_limits(records), _costs(records), _memory(records), _problems(records)]
    path.write_text("\n\n".join(part for part in parts if part) + "\n")
    print(path)


def _head(records: Records) -> str:
    run = next(records.of("run"))
    end = next(records.of("end"), {"load_average": float("nan")})
    about = "\n".join(f"- **{name}**: {text}" for name, text in run["about"].items())
    return (
        f"# Serving benchmark\n\n{run['at']}, {run['cores']} cores shared with the load generator ({run['wrk']}), "
        f"{'each process on a core of its own, ' if run.get('is_pinned') else ''}"
        f"medians of {run['repetitions']} interleaved repetitions of {run['seconds']:g} s. Load average before the run "
        f"{run['load_average']:.1f}, after it {end['load_average']:.1f}.\n\n{about}"
    )


def _acceptance(records: Records) -> str:
    rows = [
        (
            line.text,
            _number(line.value),
            ("at least " if line.is_least else "under ") + _number(line.bound),
            line.unit,
            line.verdict,
        )
        for line in lines(records)
    ]
    return "## Figures to reach\n\n" + _table(("figure", "measured", "bound", "unit", ""), rows)


def _work(records: Records, work: str) -> str:
    head = ["server"]
    for connections in _CONNECTIONS:
        head += [f"{connections}: req/s", "p50 ms", "p99 ms", "CPU us", "failed"]
    rows = []
    for peer in dict.fromkeys(record["peer"] for record in records.of("load", work=work)):
        row = [peer]
        for connections in _CONNECTIONS:
            own = {"peer": peer, "work": work, "connections": connections}
            row += [_number(records.middle("load", field, **own)) for field in ("rate", "p50_ms", "p99_ms", "cpu_us")]
            row.append(str(sum(record["failures"] + record["wrong"] for record in records.of("load", **own))))
        rows.append(row)
    return f"## {work}: {WORKS[work].title}\n\n" + _table(head, rows)


def _limits(records: Records) -> str:
    rows = [
        (
            record["model"],
            str(record["rows"]),
            *(_number(_times(record.get(kind), record["rows"])) for kind in ("onnx", "estimator")),
        )
        for record in records.of("limit")
    ]
    head = ("model", "rows a call", "rows/s as ONNX", "rows/s in scikit-learn")
    return "## The models without a server, one thread\n\n" + _table(head, rows) if rows else ""


def _costs(records: Records) -> str:
    peers = dict.fromkeys(record["peer"] for record in records.of("start"))
    head = ("server", "start to first answer s", "endpoint start s", "new version s", "right")
    return "## Start, new versions\n\n" + _table(head, [_cost(records, peer) for peer in peers])


def _memory(records: Records) -> str:
    kinds = dict.fromkeys((record["peer"], record["model"], record["role"]) for record in records.of("memory"))
    rows = []
    for peer, model, role in kinds:
        own = {"peer": peer, "model": model, "role": role}
        sizes = [_number(records.middle("memory", kind, **own)) for kind in ("processes", "rss_mb", "pss_mb")]
        rows.append((peer, model, role, *sizes))
    return "## Memory\n\n" + _table(("server", "model", "of", "processes", "RSS MB", "proportional MB"), rows)


def _cost(records: Records, peer: str) -> tuple[str, ...]:
    fields = (("start", "seconds"), ("start", "cold_start_seconds"), ("deploy", "seconds"))
    right = sum(record["right"] for record in records.of("check", peer=peer))
    return (peer, *(_number(records.middle(kind, field, peer=peer)) for kind, field in fields), str(right))


def _problems(records: Records) -> str:
    missing = [f"- {record['peer']} could not be installed: {record['why']}" for record in records.of("missing")]
    failed = [f"- {record['peer']}, {record['works']}: {record['why'][:500]}" for record in records.of("failed")]
    return "## What went wrong\n\n" + "\n".join(missing + failed) if missing or failed else ""


def _table(head: tuple[str, ...] | list[str], rows: list) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
