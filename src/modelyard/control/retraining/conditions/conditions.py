"""The conditions of a policy, in the order in which they are cheap to ask."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from modelyard.control.feedback.service import EndpointReader, FeedbackService
from modelyard.control.monitors.checking.windows import serving_version
from modelyard.control.monitors.service import MonitorService
from modelyard.control.retraining.collecting import Collector
from modelyard.control.retraining.conditions.budget import WEEK, exhausted
from modelyard.control.retraining.conditions.decay import DecayJudge
from modelyard.control.retraining.conditions.schedule import last_slot, next_slot
from modelyard.control.retraining.policies import MAXIMUM_FAILURES
from modelyard.control.retraining.repository import RetrainingRepository
from modelyard.kit.clock import Clock
from modelyard.storage.database import Database
from modelyard.types.monitoring import RetrainingPolicy, RetrainingRun, RetrainingStatus, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Whether a condition holds: then why, else what is waited for."""

    holds: bool
    sentence: str = ""


class Conditions:
    """Asks whether a policy should start a run now. Safe from any thread."""

    def __init__(
        self,
        database: Database,
        repository: RetrainingRepository,
        monitors: MonitorService,
        endpoints: EndpointReader,
        feedback: FeedbackService,
        collector: Collector,
        decay: DecayJudge,
        clock: Clock,
    ) -> None:
        self._database = database
        self._repository = repository
        self._monitors = monitors
        self._endpoints = endpoints
        self._feedback = feedback
        self._collector = collector
        self._decay = decay
        self._clock = clock

    def check(self, policy: RetrainingPolicy) -> Answer:
        """All conditions: the cause of the run to start, or the first thing that is waited for.

        Raises:
            ModelyardError: it cannot be said: nothing is served, or something is down.
        """
        now = self._clock.now()
        with self._database.read() as connection:
            newest = self._repository.newest_of_endpoint(connection, policy.project, policy.endpoint, 1)
            week = self._repository.runs_since(connection, policy.project, policy.name, now - WEEK)
        last = newest[0].run if newest else None
        if not policy.is_enabled:
            return Answer(holds=False, sentence=_why_off(week))
        if last is not None and last.ended_at is None:
            return Answer(holds=False, sentence=f"{last.id} is under way: {last.status}")
        if last is not None and last.ended_at is not None:
            pause = timedelta(seconds=policy.cooldown_seconds)
            until = last.ended_at + pause
            if last.ended_at - pause < now < until:  # if it ended long after now, the clock was set back
                return Answer(holds=False, sentence=f"cool-down until {until:%Y-%m-%d %H:%M:%S} UTC")
        used_up = exhausted(policy.budget, week)
        if used_up:
            return Answer(holds=False, sentence=used_up)
        trigger = self._trigger(policy, last, now)
        return self._labels(policy, last, trigger) if trigger.holds else trigger

    def _trigger(self, policy: RetrainingPolicy, last: RetrainingRun | None, now: datetime) -> Answer:
        """The first trigger that fires; without any, new labels alone are enough."""
        asked = []
        if policy.monitor is not None:
            asked.append(self._drift(policy, policy.monitor))
        if policy.triggers.schedule is not None:
            asked.append(_scheduled(policy, policy.triggers.schedule, last, now))
        fired = next((answer for answer in asked if answer.holds), None)
        if fired is None and policy.triggers.maximum_decay is not None:  # last: it reads captures
            asked.append(self._decayed(policy, last))
            fired = asked[-1] if asked[-1].holds else None
        if fired is not None or not asked:
            return fired or Answer(holds=True)
        return Answer(holds=False, sentence=" or ".join(answer.sentence for answer in asked))

    def _drift(self, policy: RetrainingPolicy, monitor: str) -> Answer:
        report = self._monitors.get(policy.project, monitor).last_report
        serving = serving_version(self._endpoints.get(policy.project, policy.endpoint))
        if report is None or report.model_version != serving:
            return Answer(holds=False, sentence=f"waits for monitor '{monitor}' to look at {serving}")
        if report.verdict is not Verdict.DRIFT:
            return Answer(holds=False, sentence=f"waits for drift: monitor '{monitor}' says {report.verdict}")
        return Answer(holds=True, sentence=report.sentence)

    def _decayed(self, policy: RetrainingPolicy, last: RetrainingRun | None) -> Answer:
        serving = serving_version(self._endpoints.get(policy.project, policy.endpoint))
        answered = last.started_at if last is not None and last.status is not RetrainingStatus.FAILED else None
        is_decayed, sentence = self._decay.decay(policy, serving, answered)
        if not is_decayed:
            return Answer(holds=False, sentence=f"waits for decay: {sentence}")
        return Answer(holds=True, sentence=f"{sentence[:1].upper()}{sentence[1:]}.")

    def _labels(self, policy: RetrainingPolicy, last: RetrainingRun | None, trigger: Answer) -> Answer:
        since = last.started_at if last is not None and last.status is not RetrainingStatus.FAILED else None
        # Cheap upper bound first: counting the captured ones reads them.
        labels = self._feedback.count_new(policy.project, policy.endpoint, since)
        if labels >= policy.minimum_new_labels:
            labels = self._collector.count(policy.project, policy.endpoint)
        missing = policy.minimum_new_labels - labels
        if missing > 0:
            unit = "row" if missing == 1 else "rows"
            told = f"waits for {missing:,} more labelled {unit} ({labels:,} of {policy.minimum_new_labels:,})"
            return Answer(holds=False, sentence=told)
        cause = f"{labels} new labelled rows have come (needed: {policy.minimum_new_labels})."
        return Answer(holds=True, sentence=f"{trigger.sentence} {cause}".strip())


def _scheduled(policy: RetrainingPolicy, schedule: str, last: RetrainingRun | None, now: datetime) -> Answer:
    """Due once after each moment of the schedule; moments that were missed are not made up for one by one."""
    begun = max(filter(None, (policy.created_at, last.started_at if last else None)))
    slot = last_slot(schedule, now)
    if slot > begun:
        return Answer(holds=True, sentence=f"The schedule '{schedule}' was due at {slot:%Y-%m-%d %H:%M} UTC.")
    return Answer(holds=False, sentence=f"waits for its schedule: {next_slot(schedule, now):%Y-%m-%d %H:%M} UTC")


def _why_off(runs: list[RetrainingRun]) -> str:
    newest = runs[:MAXIMUM_FAILURES]
    if len(newest) == MAXIMUM_FAILURES and all(run.status is RetrainingStatus.FAILED for run in newest):
        return f"is switched off after {MAXIMUM_FAILURES} failed runs in a row: {newest[0].reason}"
    return "is switched off"
