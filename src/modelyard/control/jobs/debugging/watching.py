"""Looks at the live figures of a job that runs, rule by rule, and writes down what they show."""

import time

import structlog

from modelyard.control.jobs.debugging import catalog
from modelyard.control.jobs.debugging.curves import Curves
from modelyard.control.jobs.debugging.verdicts import Rule, Verdict
from modelyard.control.jobs.repository import JobRepository
from modelyard.kit.clock import Clock
from modelyard.storage.database import Database
from modelyard.types.debugging.rules import Finding, RuleAction, RuleChoice
from modelyard.types.jobs import Job, JobKind

_log = structlog.get_logger(__name__)

KINDS = (JobKind.TRAINING, JobKind.SCRIPT, JobKind.TRIAL)
"""Jobs that learn something."""

_SHORTEST_SECONDS = 1.0
_POINTS_A_READ = 2000


class JobWatch:
    """Watches one attempt of one job; for one thread. What was found before is in the database, and is not found again.

    Args:
        job: whose figures.
        database: of jobs.
        repository: jobs, their figures and findings.
        clock: for times.
    """

    def __init__(self, job: Job, database: Database, repository: JobRepository, clock: Clock) -> None:
        self._job = job
        self._database = database
        self._repository = repository
        self._clock = clock
        self._curves = Curves()
        self._sequence = 0
        self._looked_at = 0.0
        self._is_behind = True
        self._rules = {choice.rule: (rule, choice) for rule, choice in self._chosen()}

    def look(self, *, has_news: bool = True, is_last: bool = False) -> None:
        """Read what has come, and let every rule that has found nothing look at all of it; not more than once a second.

        Args:
            has_news: figures were stored since the last call.
            is_last: the process has ended.
        """
        self._is_behind = self._is_behind or has_news
        now = time.monotonic()
        if not self._rules or not self._is_behind or (not is_last and now - self._looked_at < _SHORTEST_SECONDS):
            return
        self._looked_at, self._is_behind = now, False
        if not self._read():
            return
        for name, (rule, choice) in [*self._rules.items()]:
            verdict = rule.look(self._curves, choice.settings)
            if verdict is not None:
                del self._rules[name]
                self._note(choice, verdict)

    def _chosen(self) -> list[tuple[Rule, RuleChoice]]:
        if self._job.kind not in KINDS:
            return []
        with self._database.read() as connection:
            found = {finding.rule for finding in self._repository.findings(connection, [self._job.id])}
        return [(rule, choice) for rule, choice in catalog.chosen(self._job.rules) if choice.rule not in found]

    def _read(self) -> bool:
        """Take the figures that are new; False if there are none."""
        before = self._sequence
        while True:
            with self._database.read() as connection:
                points = self._repository.points_after(connection, self._job.id, self._sequence, _POINTS_A_READ)
            for sequence, point in points:
                self._curves.add(point.name, point.step, point.value)
                self._sequence = sequence
            if len(points) < _POINTS_A_READ:
                return self._sequence > before

    def _note(self, choice: RuleChoice, verdict: Verdict) -> None:
        """Write it down, and ask for the job's end if that was wanted. A trial's findings stay with the trial."""
        job = self._job
        finding = Finding(
            id=0,
            project=job.project,
            job=job.id,
            rule=choice.rule,
            action=choice.action,
            step=verdict.step,
            value=verdict.value,
            message=verdict.message,
            at=self._clock.now(),
        )
        with self._database.transaction() as connection:
            if any(each.rule == choice.rule for each in self._repository.findings(connection, [job.id])):
                return  # another control process has taken the job over and was quicker
            self._repository.add_finding(connection, finding, is_told=job.kind is JobKind.TRIAL)
            if choice.action is RuleAction.STOP:
                self._repository.request_stop(connection, job.id)
        _log.info("a rule has found something", job=job.id, rule=finding.rule, step=finding.step)


def reason_of_stop(finding: Finding) -> str:
    """Why a job was stopped by a rule, in words."""
    return f"The rule '{finding.rule}' stopped it. {finding.message}"
