"""Three scripted streams: the world changes at once, little by little, and forth and back."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from modelyard.testing.loop.concepts import AFTER, BEFORE, MOVED, Concept
from modelyard.testing.loop.traffic import ConstantLoad, Traffic
from modelyard.testing.loop.workplace import TEST_ROWS, Workplace, live_accuracy
from modelyard.types.monitoring import RetrainingRun, RetrainingStatus

ROWS = 1500
"""Rows that a version learns from, the oracle too."""

NEAR = 0.01
"""So near to the oracle counts as recovered."""

_MEASURED_ROWS = 10_000
_PATIENCE_SECONDS = 240.0
_LABELLED_ROWS = 50
_LABELLED_PAUSE_SECONDS = 0.15
_LOAD_PER_SECOND = 20.0
_STEPS = 5
_STEP_SECONDS = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A stream: the concepts that follow one another, and what the policy reacts to."""

    name: str
    phases: tuple[Concept, ...]
    is_gradual: bool = False
    has_monitor: bool = False
    triggers: Mapping[str, object] = field(default_factory=dict)


SCENARIOS = (
    Scenario(name="sudden", phases=(MOVED,), has_monitor=True),
    Scenario(name="gradual", phases=(AFTER,), is_gradual=True),
    Scenario(name="recurring", phases=(AFTER, BEFORE), triggers={"maximum_decay": 0.03}),
)


@dataclass(slots=True)
class Outcome:
    """What a scenario came to: accuracies, runs, requests. `seconds`: from the last change to the recovery."""

    name: str
    before: float = 0.0
    under_drift: float = 0.0
    after: float = 0.0
    oracle: float = 0.0
    seconds: float = 0.0
    runs: list[RetrainingRun] = field(default_factory=list)
    requests: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def is_recovered(self) -> bool:
        """Within a point of the oracle, and nobody noticed."""
        return self.after >= self.oracle - NEAR and not self.failures


def play(work: Workplace, scenario: Scenario, seed: int, say: Callable[[str], None]) -> Outcome:
    """Train on the old world, deploy, change the world, wait until the platform has caught up by itself."""
    return _Play(work, scenario, seed, say).play()


class _Play:
    def __init__(self, work: Workplace, scenario: Scenario, seed: int, say: Callable[[str], None]) -> None:
        self._work = work
        self._scenario = scenario
        self._say = say
        self._random = np.random.default_rng(seed)
        self._load_random = np.random.default_rng(seed + 1)
        self._concept = BEFORE
        self._traffic = Traffic(work.client, scenario.name)
        self._outcome = Outcome(scenario.name)

    def play(self) -> Outcome:
        outcome, name = self._outcome, self._scenario.name
        first = self._work.train(BEFORE.draw(ROWS, self._random), name, model=name)
        self._work.client.endpoints.deploy(name, first, wait=True, timeout_seconds=120)
        self._make_policy()
        with ConstantLoad(self._traffic, lambda: self._concept.draw(4, self._load_random), _LOAD_PER_SECOND):
            outcome.before = live_accuracy(self._traffic, self._concept, self._random)
            for phase in self._scenario.phases:
                self._live_through(phase)
        outcome.runs = [*self._work.client.retraining.runs(name)]
        outcome.requests, outcome.failures = self._traffic.requests, self._traffic.failures
        return outcome

    def _make_policy(self) -> None:
        name, client = self._scenario.name, self._work.client
        if self._scenario.has_monitor:
            client.monitors.create(name, name, interval_seconds=3, minimum_rows=300, window_rows=600)
        client.retraining.create(
            name,
            name,
            monitor=name if self._scenario.has_monitor else None,
            minimum_new_labels=ROWS,
            minimum_gain=0.01,
            maximum_loss=1.0,  # the old world is gone
            cooldown_seconds=2,
            triggers=self._scenario.triggers,
            window={"kind": "NEWEST", "rows": ROWS},
            rollout={"strategy": "shadow_canary", "copies": 1.0, "share": 0.01, "canary_requests": 0, "seconds": 4},
        )

    def _live_through(self, phase: Concept) -> None:
        """The world changes to `phase`; labelled rows come until the endpoint is as good as the oracle."""
        outcome = self._outcome
        name = f"{outcome.name}-oracle"
        oracle = self._work.train(phase.draw(ROWS, self._random), name, model=name)
        outcome.oracle = self._work.accuracy_of(oracle, phase.draw(_MEASURED_ROWS, self._random))
        start = self._concept
        steps = _STEPS if self._scenario.is_gradual else 1
        for step in range(1, steps + 1):
            self._concept = start.towards(phase, step / steps)
            if step < steps:
                self._label_for(_STEP_SECONDS)
        changed_at, outcome.seconds = time.monotonic(), 0.0
        outcome.under_drift = live_accuracy(self._traffic, self._concept, self._random, 1000)
        self._say(f"{outcome.name}: accuracy {outcome.under_drift:.3f} under drift, oracle {outcome.oracle:.3f}")
        while not self._has_recovered() and outcome.seconds <= _PATIENCE_SECONDS:
            self._label_for(2.0)
            outcome.seconds = time.monotonic() - changed_at
        self._say(f"{outcome.name}: accuracy {outcome.after:.3f} after {outcome.seconds:.0f} s")

    def _has_recovered(self) -> bool:
        """A first look asks for few rows, which may be lucky ones; what they say is then proven on many."""
        outcome = self._outcome
        for rows in (TEST_ROWS, _MEASURED_ROWS):
            outcome.after = live_accuracy(self._traffic, self._concept, self._random, rows)
            if outcome.after < outcome.oracle - NEAR or self._is_running():
                return False
        return True

    def _label_for(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._traffic.send(self._concept.draw(_LABELLED_ROWS, self._random), with_truth=True)
            time.sleep(_LABELLED_PAUSE_SECONDS)

    def _is_running(self) -> bool:
        newest = next(iter(self._work.client.retraining.runs(self._outcome.name)), None)
        return newest is not None and newest.status is RetrainingStatus.ROLLING_OUT
