"""What a job used while it ran: a table with bars, and a picture."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from modelyard.cli.session import Session
from modelyard.cli.suggestions import did_you_mean
from modelyard.types.debugging.profiles import Profile, ProfilePoint

_BARS = " ▁▂▃▄▅▆▇█"
_WIDTH = 48
_MIB = 1 << 20


def show_profile(
    session: Session,
    id: Annotated[str, typer.Argument(help="Id of the job.")],
    picture: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a picture (SVG) into this file.")] = None,
) -> None:
    """What a job used, second by second, and what limits it."""
    client = session.client
    with did_you_mean("job", id, lambda: [job.id for job in client.jobs.list()]):
        profile = client.jobs.profile(id)
    if picture is not None:
        picture.write_text(client.jobs.profile_picture(id), encoding="utf-8")
    if session.out.is_json:
        session.out.record(profile, {})
        return
    session.out.table(
        [row for row in _rows(profile) if any(row[1])],
        {
            "Figure": lambda row: row[0],
            f"Over {profile.seconds:.4g} s": lambda row: bars(row[1]),
            "Average": lambda row: f"{sum(row[1]) / len(row[1]):.3g}",
            "Most": lambda row: f"{max(row[1]):.3g}",
            "Limit": lambda row: row[2],
        },
        empty="It used next to nothing.",
    )
    if profile.step_seconds is not None:
        session.out.line(f"A step took {profile.step_seconds:.4g} s on average, by the figure {profile.step_metric}.")
    for verdict in profile.verdicts:
        session.out.line(verdict)
    if picture is not None:
        session.out.note(f"The picture is in {picture}.")


def bars(values: Sequence[float]) -> str:
    """A column for each of up to 48 stretches of time, as high as the most in it."""
    stride = max(1, -(-len(values) // _WIDTH))
    heights = [max(values[first : first + stride]) for first in range(0, len(values), stride)]
    top = max([*heights, 0.0]) or 1.0
    return "".join(_BARS[round(max(0.0, height) / top * (len(_BARS) - 1))] for height in heights)


def _rows(profile: Profile) -> list[tuple[str, list[float], str]]:
    def column(value: Callable[[ProfilePoint], float]) -> list[float]:
        return [value(point) for point in profile.points]

    limit = profile.memory_limit_bytes
    return [
        ("CPU, cores", column(lambda point: point.cpus), f"{profile.cpus:g}"),
        ("Not given, cores", column(lambda point: point.waiting_cpus), ""),
        ("Memory, MiB", column(lambda point: point.memory_bytes / _MIB), f"{limit / _MIB:.0f}" if limit else ""),
        ("Read, MiB/s", column(lambda point: point.read_bytes_per_second / _MIB), ""),
        ("Written, MiB/s", column(lambda point: point.written_bytes_per_second / _MIB), ""),
        ("Steps per s", column(lambda point: point.steps_per_second or 0.0), ""),
    ]
