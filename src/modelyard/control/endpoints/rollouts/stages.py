"""How a stage stands: what speaks against the new version, and what the stage still lacks."""

from collections.abc import Callable
from dataclasses import dataclass

from modelyard.control.endpoints.records import EndpointRecord
from modelyard.control.endpoints.rollouts.judging import objection, seen_requests
from modelyard.control.endpoints.rollouts.watching import StageWatch
from modelyard.control.endpoints.status import stage_words
from modelyard.kit.clock import Clock
from modelyard.types.endpoints import Rollout

Concern = Callable[[EndpointRecord, Rollout], str]
"""What somebody else knows against the new version of a rollout in a stage (its accuracy, once labels come), or ""."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """`objection`: the rollout must go back, and why. `missing`: what the stage waits for; empty: it is through."""

    objection: str = ""
    missing: str = ""


class StageTimer:
    """How long stages have lasted. Safe from any thread.

    The time of day says it once, when a process first sees a stage; from then on only a clock counts that nobody sets.
    A leap ahead ends no stage early, and after one back none waits until the old time has come again.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began: dict[str, tuple[int | None, float]] = {}

    def elapsed(self, rollout: Rollout) -> float:
        """Seconds since the stage began that is under way."""
        now = self._clock.monotonic()
        stage, began = self._began.get(rollout.id, (None, 0.0))
        if stage != rollout.stage:
            since = rollout.stage_since or rollout.started_at
            began = now - max(0.0, (self._clock.now() - since).total_seconds())
            self._began[rollout.id] = rollout.stage, began
        return now - began

    def forget(self, rollout: Rollout) -> None:
        """It has ended."""
        self._began.pop(rollout.id, None)


class StageInspector:
    """Looks at stages.

    Args:
        watch: what the gateways saw.
        concern: asked after that.
        clock: the time.
    """

    def __init__(self, watch: StageWatch, concern: Concern, clock: Clock) -> None:
        self._watch = watch
        self._concern = concern
        self._timer = StageTimer(clock)

    def look(self, record: EndpointRecord, rollout: Rollout) -> Standing:
        """The stage that is under way; one that is through if there is none."""
        stage, plan = rollout.current_stage, rollout.plan
        if stage is None:
            return Standing()
        sides = self._watch.look(record, rollout)
        why = objection(plan, sides.old, sides.new) or self._concern(record, rollout)
        if why:
            return Standing(objection=f"{why} ({stage_words(rollout)})")
        seen = seen_requests(stage, sides.new.outcomes)
        elapsed = self._timer.elapsed(rollout)
        needed = rollout.needed_requests
        if seen < needed and elapsed > max(plan.limit_seconds, plan.seconds):
            few = f"only {seen} of {needed} requests came within {elapsed:.0f} s, too few to say if it is fit"
            return Standing(objection=f"{few} ({stage_words(rollout)})")
        return Standing(missing=_missing(rollout, seen, elapsed))

    def begin(self, record: EndpointRecord, rollout: Rollout) -> None:
        """A stage begins: count from now on."""
        self._watch.look(record, rollout)
        self._timer.elapsed(rollout)

    def forget(self, rollout: Rollout) -> None:
        """It has ended."""
        self._watch.forget(rollout)
        self._timer.forget(rollout)


def _missing(rollout: Rollout, seen: int, elapsed: float) -> str:
    plan, needed = rollout.plan, rollout.needed_requests
    if seen < needed:
        return f"{seen} of {needed} requests have come"
    if elapsed < plan.seconds:
        return f"{plan.seconds - elapsed:.0f} s are left"
    is_last = rollout.stage == len(plan.stages) - 1
    return "it waits for approval" if is_last and plan.needs_approval and not rollout.is_approved else ""
