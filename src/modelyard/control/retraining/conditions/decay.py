"""Has the running version become worse than it was when it was made?"""

from datetime import datetime
from typing import Protocol

from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.monitors.checking.counting import LabelCounter, QualityMemory, read_memory, write_memory
from modelyard.control.monitors.checking.scoring import Scale
from modelyard.control.monitors.errors import QualityUnknownError
from modelyard.control.retraining.repository import RetrainingRepository
from modelyard.drift.quality.sequential import Evidence
from modelyard.storage.database import Database
from modelyard.types.models import ModelVersion
from modelyard.types.monitoring import RetrainingPolicy

LEVEL = 0.05
"""A version that has not decayed is ever said to have with at most this probability, however often one looks."""


class DecayJudge(Protocol):
    """Says whether an endpoint's version has decayed. Safe from any thread."""

    def decay(self, policy: RetrainingPolicy, version: str, since: datetime | None) -> tuple[bool, str]:
        """Whether `version` has, by more than the policy's `maximum_decay`, and the sentence with the figures.

        Args:
            policy: at whose endpoint.
            version: that serves.
            since: labels that came before have been answered for by a run; None: none have.
        """


class SequentialDecay:
    """Each label against the held-out figures on the version's card, in a test that may be looked at always.

    What it knows is kept in the database, so a restart neither forgets a label nor counts one twice. It begins anew
    with another version, another `maximum_decay`, and after each run that did not fail: until then a run would be
    started again and again by what has started one already.

    Args:
        database: keeps what was counted.
        repository: its SQL.
        registry: knows the cards.
        counter: counts labels.
    """

    def __init__(
        self, database: Database, repository: RetrainingRepository, registry: RegistryClient, counter: LabelCounter
    ) -> None:
        self._database = database
        self._repository = repository
        self._registry = registry
        self._counter = counter

    def decay(self, policy: RetrainingPolicy, version: str, since: datetime | None) -> tuple[bool, str]:
        """See DecayJudge."""
        made = self._registry.model_version(policy.project, version)
        scale = _scale(made, policy.triggers.maximum_decay or 0.0)
        if scale is None or scale.baseline is None:
            return False, f"the card of {version} has no held-out metric to compare live rows with"
        before = self._memory(policy, version)
        state = _begun(before, scale.baseline, since)
        state = self._counter.counted(policy.project, made, state, scale, policy.endpoint, 0)
        if state != before:
            with self._database.transaction() as connection:
                self._repository.remember_decay(
                    connection, policy.project, policy.name, version, content=write_memory(state)
                )
        return _judged(state.evidence, scale, version)

    def _memory(self, policy: RetrainingPolicy, version: str) -> QualityMemory:
        with self._database.read() as connection:
            content = self._repository.decay_memory(connection, policy.project, policy.name, version)
        return read_memory(content)


def _scale(made: ModelVersion, decay: float) -> Scale | None:
    try:
        return Scale.of(made).worse_by(decay)
    except QualityUnknownError:
        return None


def _begun(memory: QualityMemory, baseline: float, since: datetime | None) -> QualityMemory:
    """The memory, or a new one if it tests another claim or counts labels that a run has answered for."""
    is_other_claim = memory.evidence is not None and memory.evidence.baseline != baseline
    is_answered = since is not None and (memory.since is None or memory.since < since)
    if not is_other_claim and not is_answered:
        return memory
    begin = since if is_answered else memory.since
    return QualityMemory(since=begin, cursor=None if begin is None else (begin, ""))


def _judged(evidence: Evidence | None, scale: Scale, version: str) -> tuple[bool, str]:
    if evidence is None or not evidence.rows:
        return False, f"{version} has no labelled rows that no run has answered for"
    measured = f"{scale.words(evidence.mean, *evidence.interval)} over {evidence.rows:,} labelled rows of {version}"
    least = scale.word(evidence.baseline)
    if evidence.value < 1 / LEVEL:
        return False, f"{measured}, not certainly worse than {least}"
    return True, f"{measured}, certainly worse than the {least} that the policy bears"
