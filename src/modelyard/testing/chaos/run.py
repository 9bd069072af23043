"""One chaos run: start, work, kill, check, again; then rest, check everything, stop."""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from modelyard.testing.chaos.checks import Checks
from modelyard.testing.chaos.ledger import Ledger
from modelyard.testing.chaos.platform import Platform
from modelyard.testing.chaos.victims import Killer
from modelyard.testing.chaos.work import ENDPOINT, Work

_FULL_CHECK_EVERY = 25
_LARGEST_BURST = 7  # kills before everything is let come back: some hit a process that is just starting
_LONGEST_PAUSE_SECONDS = 2.0
_LONGEST_GAP_SECONDS = 0.8
_READY_SECONDS = 120.0


@dataclass
class Outcome:
    """What a run did and found. `faults` is empty when everything held."""

    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    slowest_restart_seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def run(root: Path, *, kills: int, limit_seconds: float, seed: int, say: Callable[[str], None] = print) -> Outcome:
    """Kill `kills` processes of a new platform in `root`, or as many as the time allows."""
    platform, ledger, outcome = Platform(root), Ledger(), Outcome(seed)
    checks, work = Checks(platform, ledger), Work(platform.home, ledger, seed)
    begin = time.monotonic()
    try:
        wait_ready(platform, checks)
        work.start()
        try:
            _wait_for_work(ledger)
            _kill_and_check(platform, ledger, checks, outcome, kills, begin + limit_seconds, say)
        finally:
            work.stop()
        platform.keep_up()
        checks.at_rest()
        checks.everything()
        if (code := platform.stop()) != 0:
            ledger.fault(f"`modelyard up` ended with code {code} when told to stop")
        checks.after_stop()
    finally:
        checks.close()
        platform.end_everything()
    outcome.seconds = time.monotonic() - begin
    outcome.counts, outcome.faults = ledger.counts, ledger.faults
    return outcome


def _kill_and_check(
    platform: Platform,
    ledger: Ledger,
    checks: Checks,
    outcome: Outcome,
    kills: int,
    deadline: float,
    say: Callable[[str], None],
) -> None:
    chance = random.Random(outcome.seed)  # noqa: S311
    killer = Killer(platform, ledger, chance)
    next_full_check = _FULL_CHECK_EVERY
    while (done := outcome.kills.total()) < kills and time.monotonic() < deadline:
        time.sleep(chance.uniform(0, _LONGEST_PAUSE_SECONDS))
        for _ in range(min(kills - done, chance.randint(1, _LARGEST_BURST))):
            kind = killer.kill_one()
            if kind is not None:
                outcome.kills[kind] += 1
            time.sleep(chance.uniform(0, _LONGEST_GAP_SECONDS))
        begin = time.monotonic()
        wait_ready(platform, checks)
        outcome.slowest_restart_seconds = max(outcome.slowest_restart_seconds, time.monotonic() - begin)
        checks.after_restart()
        if outcome.kills.total() >= next_full_check:
            next_full_check += _FULL_CHECK_EVERY
            checks.everything(is_last=False)
            say(f"{outcome.kills.total()} kills, {len(ledger.faults)} faults; so far {dict(ledger.counts)}")


def wait_ready(platform: Platform, checks: Checks) -> None:
    """Until `up` has all its processes and control answers through the gateway."""
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        platform.keep_up()
        if platform.is_whole() and checks.is_up():
            return
        if time.monotonic() > deadline:
            logs = "; ".join(f"{path.name}: {path.read_text()[-500:]}" for path in platform.home.logs.glob("*.log"))
            raise TimeoutError(f"The platform did not come back in {_READY_SECONDS:g} s. {logs}")
        time.sleep(0.1)


def _wait_for_work(ledger: Ledger) -> None:
    """Until the endpoint answers: before that there is little to lose."""
    deadline = time.monotonic() + _READY_SECONDS
    while not ledger.counts["predictions answered"]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"Endpoint '{ENDPOINT}' did not answer in {_READY_SECONDS:g} s: {ledger.faults}")
        time.sleep(0.2)
