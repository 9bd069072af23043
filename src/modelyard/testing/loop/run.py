"""One loop run: a platform, the scenarios, the sabotaged retrainings; what came out as text."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from modelyard.sdk.client import Client
from modelyard.testing.loop.proving import ACTS, LARGEST_SHARE, Act, Report, Verdict, prove
from modelyard.testing.loop.scenarios import SCENARIOS, Outcome, Scenario, play
from modelyard.testing.loop.workplace import Workplace
from modelyard.testing.programs import Program

Say = Callable[[str], None]


def run(
    home: Path,
    *,
    scenarios: Sequence[Scenario] = SCENARIOS,
    acts: Sequence[Act] = ACTS,
    repeats: int = 2,
    seed: int = 0,
    say: Say = print,
) -> tuple[list[Outcome], list[Report]]:
    """Start a platform in `home`, play the scenarios one by one, then the acts with each sabotage `repeats` times."""
    platform = Program(home, "modelyard.testing.loop.platform")
    try:
        url = platform.start("--port", "0").ready()
        with Client(url, platform.token) as client, tempfile.TemporaryDirectory() as folder:
            work = Workplace(client, Path(folder), home)
            outcomes = [play(work, scenario, seed + place, say) for place, scenario in enumerate(scenarios)]
            reports = [prove(work, act, repeats, seed, say) for act in acts]
    finally:
        platform.end()
    return outcomes, reports


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


def proof_table(report: Report) -> str:
    """A line per retraining of an act, and one for its load."""
    head = f"{'run':>3} {'sabotage':34} {'stopped at':10} {'answered':>9} {'of':>6} {'share':>7} failed reason"
    lines = [_line(number, one) for number, one in enumerate(report.verdicts, start=1)]
    return "\n".join([head, *lines, f"{report.requests:,} requests in all, {len(report.failures)} failed"])


def faults(outcomes: Sequence[Outcome], reports: Sequence[Report]) -> list[str]:
    """What did not hold."""
    found = [
        f"{one.name}: accuracy {one.after:.3f}, oracle {one.oracle:.3f}, failures {one.failures[:3]}"
        for one in outcomes
        if not one.is_recovered
    ]
    for report in reports:
        found += [
            f"{report.act}: {one.sabotage.kind or 'sound'}: {one.run.status}, answered {one.share:.2%} "
            f"(below {LARGEST_SHARE:.0%} is allowed to a bad one), {one.failed} failed: {one.run.reason}"
            for one in report.verdicts
            if not one.is_as_it_should_be
        ]
        found += [f"{report.act}: a request failed: {message}" for message in report.failures[:3]]
    return found


def _line(number: int, one: Verdict) -> str:
    return (
        f"{number:3} {one.sabotage.kind or 'none, it is sound':34} {one.stopped_at:10} {one.answered:9,} "
        f"{one.requests:6,} {one.share:7.2%} {one.failed:6} {one.run.reason}"
    )


def _runs(outcome: Outcome) -> str:
    kinds = [run.status[:4].lower() for run in reversed(outcome.runs)]
    return ",".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
