"""One loop run: a platform, the scenarios, the sabotage; what came out as text."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from modelyard.sdk.client import Client
from modelyard.testing.loop.sabotage_runs import Report, run_sabotage
from modelyard.testing.loop.scenarios import SCENARIOS, Outcome, Scenario, play
from modelyard.testing.loop.workplace import Workplace
from modelyard.testing.programs import Program

Say = Callable[[str], None]


def run(
    home: Path, *, scenarios: Sequence[Scenario] = SCENARIOS, repeats: int = 2, seed: int = 0, say: Say = print
) -> tuple[list[Outcome], Report | None]:
    """Start a platform in `home`, play the scenarios one after the other, then the sabotage `repeats` times."""
    platform = Program(home, "modelyard.server.up")
    try:
        url = platform.start("--port", "0").ready()
        with Client(url, platform.token) as client, tempfile.TemporaryDirectory() as folder:
            work = Workplace(client, Path(folder))
            outcomes = [play(work, scenario, seed + place, say) for place, scenario in enumerate(scenarios)]
            report = run_sabotage(work, repeats, seed, say) if repeats else None
    finally:
        platform.end()
    return outcomes, report


def scenario_table(outcomes: Sequence[Outcome]) -> str:
    """A line per scenario."""
    names = ("before", "drift", "after", "oracle")
    accuracies = " ".join(f"{name:>7}" for name in names)
    head = f"{'scenario':10} {accuracies} {'seconds':>8} {'runs':>16} {'requests':>9} failures"
    lines = [
        f"{one.name:10} {one.before:7.3f} {one.under_drift:7.3f} {one.after:7.3f} {one.oracle:7.3f} {one.seconds:8.0f} "
        f"{_runs(one):>16} {one.requests:9,} {len(one.failures)}"
        for one in outcomes
    ]
    return "\n".join([head, *lines])


def sabotage_table(report: Report) -> str:
    """A line per sabotaged version, with its reason."""
    lines = [
        f"{one.kind:18} {one.run.status:9} answered {one.answered} requests; {one.run.reason}"
        for one in report.verdicts
    ]
    if report.sound is not None:
        lines.append(f"{'sound':18} {report.sound.status:9} {report.sound.reason}")
    lines.append(f"{report.requests:,} requests meanwhile, {len(report.failures)} failed")
    return "\n".join(lines)


def faults(outcomes: Sequence[Outcome], report: Report | None) -> list[str]:
    """What did not hold."""
    found = [
        f"{one.name}: accuracy {one.after:.3f}, oracle {one.oracle:.3f}, failures {one.failures[:3]}"
        for one in outcomes
        if not one.is_recovered
    ]
    if report is None:
        return found
    found += [f"{one.kind}: {one.run.status}: {one.run.reason}" for one in report.verdicts if not one.is_stopped]
    if report.sound is None or report.sound.status != "PROMOTED":
        found.append(f"the sound version was not promoted: {report.sound.reason if report.sound else ''}")
    return found + [f"a request failed: {message}" for message in report.failures[:3]]


def _runs(outcome: Outcome) -> str:
    kinds = [run.status[:4].lower() for run in reversed(outcome.runs)]
    return ",".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
