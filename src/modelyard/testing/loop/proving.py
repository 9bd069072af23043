"""Retrainings that go wrong inside their jobs, by a policy that starts them by itself, under load.

None may be promoted, hardly a request may be answered by one, none may fail, and the reason must name the flaw.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field

import numpy as np

from modelyard.testing.loop.concepts import AFTER, BEFORE, Concept, Table
from modelyard.testing.loop.sabotages import (
    AT_THE_GATE,
    BEHIND_IT,
    EQUAL,
    LARGE_ROWS,
    SOUND,
    Sabotage,
)
from modelyard.testing.loop.traffic import ConstantLoad, Traffic
from modelyard.testing.loop.workplace import Workplace
from modelyard.types.monitoring import RetrainingRun, RetrainingStatus
from modelyard.types.retraining.rules import GateRules

LARGEST_SHARE = 0.01
"""A bad version may answer less than this share of the requests of its run."""

ROWS = 1500
ALGORITHM = "boosted-trees-classification"
_LABELLED_ROWS, _NEW_LABELS = 50, 600
_LOAD_ROWS, _LOAD_PER_SECOND, _LARGE_PER_SECOND = 10, 20.0, 3.0
_RUN_SECONDS = 400.0
_SPOILT_SHARE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Several sabotaged retrainings of one endpoint, and perhaps a sound one at the end, which is promoted.

    Attributes:
        name: what those of its endpoints and policies begin with.
        serving: the world that the version at the endpoint has learnt.
        triggers: of the policy, besides new labels.
        tried: the kinds of sabotage.
        sound: comes last.
    """

    name: str
    serving: Concept
    triggers: dict[str, object] = field(default_factory=dict)
    tried: tuple[Sabotage, ...]
    sound: Sabotage | None = None


ACTS = (
    Act(name="gate", serving=BEFORE, triggers={"maximum_decay": 0.05}, tried=AT_THE_GATE, sound=SOUND),
    Act(name="rollout", serving=AFTER, tried=BEHIND_IT, sound=EQUAL),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one retraining. `requests`, `answered` and `failed`: from the run's beginning to its end."""

    sabotage: Sabotage
    run: RetrainingRun
    requests: int
    answered: int
    failed: int

    @property
    def share(self) -> float:
        """Of the requests of the run, those that the new version answered."""
        return self.answered / max(1, self.requests)

    @property
    def stopped_at(self) -> str:
        """Where the version was held up."""
        if self.run.status is RetrainingStatus.PROMOTED:
            return "promoted"
        if self.run.status is not RetrainingStatus.REJECTED:
            return str(self.run.status).lower()
        if "did not take over" not in self.run.reason:
            return "gate"
        return "copies" if "copies of" in self.run.reason else "canary"

    @property
    def is_as_it_should_be(self) -> bool:
        """A sound version took over; any other was stopped for its flaw, almost unseen. No request failed."""
        if self.failed:
            return False
        if not self.sabotage.kind:
            return self.run.status is RetrainingStatus.PROMOTED
        is_named = any(words in self.run.reason for words in self.sabotage.named)
        return self.run.status is RetrainingStatus.REJECTED and is_named and self.share < LARGEST_SHARE


@dataclass(slots=True)
class Report:
    """All verdicts of an act, and its load."""

    act: str
    verdicts: list[Verdict] = field(default_factory=list)
    requests: int = 0
    failures: list[str] = field(default_factory=list)


def prove(work: Workplace, act: Act, repeats: int, seed: int, say: Callable[[str], None]) -> Report:
    """Play an act: each kind `repeats` times, then the sound retraining.

    Each round has an endpoint of its own: where the last one's requests are captured, the gate would know what it
    cannot know.
    """
    report = Report(act.name)
    for number in range(1, repeats + 1):
        tried = act.tried if number < repeats or act.sound is None else (*act.tried, act.sound)
        _Stage(work, f"{act.name}-{number}", act, seed + 2 * number, say).play(tried, report)
    return report


class _Stage:
    def __init__(self, work: Workplace, name: str, act: Act, seed: int, say: Callable[[str], None]) -> None:
        self._work, self._name, self._act, self._say = work, name, act, say
        self._random, self._load_random = np.random.default_rng(seed), np.random.default_rng(seed + 1)
        self._traffic = Traffic(work.client, name)
        self._live: Sabotage | None = None

    def play(self, tried: Sequence[Sabotage], report: Report) -> None:
        name = self._name
        self._work.order("")  # what serves at first is sound
        first = self._work.train(self._act.serving.draw(ROWS, self._random), name, model=name, algorithm=ALGORITHM)
        self._work.client.endpoints.deploy(name, first, wait=True, timeout_seconds=120)
        self._make_policy()
        with ConstantLoad(self._traffic, self._drawn, _LOAD_PER_SECOND, with_truth=True):
            for sabotage in tried:
                verdict = self._retrained(sabotage)
                report.verdicts.append(verdict)
                what = sabotage.kind or "sound"
                told = f"{verdict.stopped_at}: {verdict.answered} of {verdict.requests} requests: {verdict.run.reason}"
                self._say(f"{name}: {what}: {told}")
        report.requests += self._traffic.requests
        report.failures += self._traffic.failures

    def _make_policy(self) -> None:
        self._work.client.retraining.create(
            self._name,
            self._name,
            minimum_new_labels=_NEW_LABELS,
            maximum_loss=1.0,  # the old world is gone
            cooldown_seconds=0,
            triggers=self._act.triggers,
            window={"kind": "NEWEST", "rows": ROWS},
            is_enabled=False,
        )

    def _retrained(self, sabotage: Sabotage) -> Verdict:
        """Let the policy start a run whose job goes wrong, and watch it to its end."""
        self._work.order(sabotage.kind)
        known = {run.id for run in self._runs()}
        requests, failed = self._traffic.requests, len(self._traffic.failures)
        self._work.client.retraining.update(
            self._name,
            gate={**asdict(GateRules()), **sabotage.gate},
            minimum_gain=sabotage.minimum_gain,
            rollout={
                "strategy": "shadow_canary",
                "copies": 1.0,
                "share": LARGEST_SHARE,
                "canary_requests": 0,
                "seconds": sabotage.seconds,
            },
            is_enabled=True,
        )
        run = self._begun(known)
        self._work.client.retraining.update(self._name, is_enabled=False)  # one run, and no other after it
        run = self._followed(run, sabotage)
        return Verdict(
            sabotage=sabotage,
            run=run,
            requests=self._traffic.requests - requests,
            answered=self._traffic.models[run.new_version or ""],
            failed=len(self._traffic.failures) - failed,
        )

    def _begun(self, known: set[str]) -> RetrainingRun:
        deadline = time.monotonic() + _RUN_SECONDS
        while time.monotonic() < deadline:
            new = next((run for run in self._runs() if run.id not in known), None)
            if new is not None:
                return new
            self._traffic.send(AFTER.draw(_LABELLED_ROWS, self._random), with_truth=True)
            time.sleep(0.2)
        status = self._work.client.retraining.status(self._name).sentence
        raise AssertionError(f"policy '{self._name}' starts no run: {status}")

    def _followed(self, run: RetrainingRun, sabotage: Sabotage) -> RetrainingRun:
        deadline = time.monotonic() + _RUN_SECONDS
        large = ConstantLoad(self._traffic, lambda: AFTER.draw(LARGE_ROWS, self._random), _LARGE_PER_SECOND)
        with closing(large):
            while not run.status.is_final:
                if run.status is RetrainingStatus.ROLLING_OUT:
                    self._live = sabotage
                    if sabotage.has_large_requests:
                        large.begin()
                assert time.monotonic() < deadline, f"{run.id} is still {run.status}"  # noqa: S101
                time.sleep(0.2)
                run = next(each for each in self._runs() if each.id == run.id)
        self._live = None
        return run

    def _drawn(self) -> Table:
        table, live = AFTER.draw(_LOAD_ROWS, self._load_random), self._live
        if live is not None and live.live is not None and self._load_random.random() < _SPOILT_SHARE:
            return live.live(table, self._load_random)
        return table

    def _runs(self) -> Sequence[RetrainingRun]:
        return [*self._work.client.retraining.runs(self._name)]
