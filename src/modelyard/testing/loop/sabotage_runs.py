"""Sabotaged versions against the gate, under load: none may answer a request, and the reason must name the fault."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from modelyard.testing.loop.concepts import AFTER, BEFORE, Table
from modelyard.testing.loop.sabotage import renew_golden, shuffled, slow_down, spoil_with_nan, wrong_in
from modelyard.testing.loop.traffic import ConstantLoad, Traffic
from modelyard.testing.loop.workplace import Workplace, tensors
from modelyard.types.monitoring import RetrainingRun, RetrainingStatus

NAME = "sabotage"
ROWS = 1500
ALGORITHM = "boosted-trees-classification"
_MATRIX = 76
_NAN_ABOVE = 2.0
_LOAD_PER_SECOND = 20.0
_RUN_SECONDS = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sabotage:
    """One kind: how the version is made, and a word that the reason must have."""

    kind: str
    make: Callable[[Workplace, np.random.Generator, str], str]
    named: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a sabotaged version."""

    kind: str
    run: RetrainingRun
    is_named: bool
    answered: int

    @property
    def is_stopped(self) -> bool:
        """It was refused for what is wrong with it, and has answered nobody."""
        return self.run.status is RetrainingStatus.REJECTED and self.is_named and not self.answered


@dataclass(slots=True)
class Report:
    """All verdicts, the run of a sound version at the end, and the load meanwhile."""

    verdicts: list[Verdict] = field(default_factory=list)
    sound: RetrainingRun | None = None
    requests: int = 0
    failures: list[str] = field(default_factory=list)


def run_sabotage(work: Workplace, repeats: int, seed: int, say: Callable[[str], None]) -> Report:
    """Each kind `repeats` times, then a sound version, which is promoted."""
    random, load_random = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    first = work.train(BEFORE.draw(ROWS, random), NAME, model=NAME, algorithm=ALGORITHM)
    work.client.endpoints.deploy(NAME, first, wait=True, timeout_seconds=120)
    work.client.retraining.create(
        NAME,
        NAME,
        minimum_gain=0.02,
        maximum_loss=1.0,
        gate={"slowdown_floor_ms": 0.0},
        is_enabled=False,
    )
    traffic, report = Traffic(work.client, NAME), Report()
    with ConstantLoad(traffic, lambda: AFTER.draw(4, load_random), _LOAD_PER_SECOND):
        for _ in range(ROWS // 50):
            traffic.send(AFTER.draw(50, random), with_truth=True)
        for number, sabotage in _each(repeats):
            ref = sabotage.make(work, random, f"{number}-{sabotage.kind.replace(' ', '-')}")
            run = work.client.retraining.run(NAME, version=ref, wait=True, timeout_seconds=_RUN_SECONDS)
            is_named = sabotage.named in run.reason
            verdict = Verdict(kind=sabotage.kind, run=run, is_named=is_named, answered=traffic.models[ref])
            report.verdicts.append(verdict)
            say(f"{sabotage.kind}: {run.status}: {run.reason}")
        ref = _trained(work, AFTER.draw(ROWS, random), "sound")
        report.sound = work.client.retraining.run(NAME, version=ref, wait=True, timeout_seconds=_RUN_SECONDS)
        say(f"sound: {report.sound.status}: {report.sound.reason}")
    report.requests, report.failures = traffic.requests, traffic.failures
    return report


def _each(repeats: int) -> Iterator[tuple[int, Sabotage]]:
    for number in range(repeats):
        yield from ((number, sabotage) for sabotage in SABOTAGE)


def _trained(work: Workplace, table: Table, _: str, **how: tuple[str, ...]) -> str:
    return work.train(table, f"{NAME}-tampered", model=NAME, algorithm=ALGORITHM, **how)


def _tampered(work: Workplace, random: np.random.Generator, name: str, tamper: Callable[[Path], None]) -> str:
    """A version whose training was sound, and whose bundle was changed afterwards."""
    table = AFTER.draw(ROWS, random)
    bundle = work.download(_trained(work, table, name), name)
    tamper(bundle)
    renew_golden(bundle, tensors(table))
    return work.client.models.register(NAME, bundle).ref


SABOTAGE = (
    Sabotage(
        kind="shuffled labels",
        make=lambda work, random, name: _trained(work, shuffled(AFTER.draw(ROWS, random), random), name),
        named="it is not better by the required 0.02 on the new rows",
    ),
    Sabotage(
        kind="bug in one slice",
        make=lambda work, random, name: _trained(work, wrong_in(AFTER.draw(ROWS, random), "north"), name),
        named="it is worse where region = 'north'",
    ),
    Sabotage(
        kind="twice as slow",
        make=lambda work, random, name: _tampered(work, random, name, lambda bundle: slow_down(bundle, _MATRIX)),
        named="times the time of",
    ),
    Sabotage(
        kind="NaN outputs",
        make=lambda work, random, name: _tampered(
            work, random, name, lambda bundle: spoil_with_nan(bundle, "numeric", _NAN_ABOVE)
        ),
        named="it answers NaN in 'probabilities'",
    ),
    Sabotage(
        kind="wrong signature",
        make=lambda work, random, name: _trained(work, AFTER.draw(ROWS, random), name, columns=("x", "y", "region")),
        named="its input 'numeric' is FP32 [-1, 2] instead of FP32 [-1, 3]",
    ),
)
"""In each, what was trained or tampered with is otherwise as good as a version can be."""
