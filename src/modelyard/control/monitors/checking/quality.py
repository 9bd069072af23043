"""Quality on labelled traffic: has the version become worse than it was when it was made, and where?

Every label is counted once, in the order in which labels came, and what is remembered does not grow: so the check may
run as often as one likes (see `drift.quality.sequential`).
"""

from dataclasses import dataclass

import numpy as np

from modelyard.control.captures.batches import BatchFilter
from modelyard.control.captures.masked import is_masked, masked_answers, masked_columns
from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.feedback.labelled import LabelledReader, LabelledRows
from modelyard.control.feedback.service import FeedbackService
from modelyard.control.monitors.checking.counting import LabelCounter, QualityMemory, read_memory, write_memory
from modelyard.control.monitors.checking.references import References
from modelyard.control.monitors.checking.scoring import Scale
from modelyard.control.monitors.errors import ReferenceMissingError
from modelyard.drift.base import Detection
from modelyard.drift.features import columns
from modelyard.drift.quality.slices import Slice, worst_slices
from modelyard.kit.clock import Clock
from modelyard.types.models import ModelVersion
from modelyard.types.monitoring import ColumnFinding, FindingKind, Monitor, Verdict

NAME = "quality"
_ALPHA = 0.05
_SHOWN_SLICES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A detection, the rows behind it, and what to remember."""

    detection: Detection
    rows: int
    memory: str


class QualityCheck:
    """Runs the sequential test of a monitor. Safe from any thread."""

    def __init__(
        self,
        registry: RegistryClient,
        labelled: LabelledReader,
        feedback: FeedbackService,
        references: References,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._labelled = labelled
        self._counter = LabelCounter(labelled, feedback, clock)
        self._references = references

    def has_news(self, monitor: Monitor, memory: str | None) -> bool:
        """True if labels came that were not counted yet."""
        return self._counter.has_news(monitor.project, monitor.endpoint, read_memory(memory).cursor)

    def run(self, monitor: Monitor, version: str, memory: str | None) -> Judged:
        """Count the labels that came since, and judge.

        Raises:
            QualityUnknownError: it is not known how good the version was.
        """
        made = self._registry.model_version(monitor.project, version)
        scale = Scale.of(made)
        known, endpoint = read_memory(memory), monitor.endpoint
        state = self._counter.counted(monitor.project, made, known, scale, endpoint, monitor.minimum_rows)
        detection = self._detection(monitor, made, state, scale)
        rows = state.evidence.rows if state.evidence else state.first_rows
        return Judged(detection=detection, rows=rows, memory=write_memory(state))

    def _detection(self, monitor: Monitor, made: ModelVersion, state: QualityMemory, scale: Scale) -> Detection:
        evidence = state.evidence
        if evidence is None or evidence.rows < monitor.minimum_rows:
            rows = evidence.rows if evidence else state.first_rows
            text = f"Not enough labels to judge: {rows} of at least {monitor.minimum_rows} rows."
            return Detection(verdict=Verdict.INSUFFICIENT, sentence=text)
        is_drifted = evidence.value >= 1 / min(_ALPHA, monitor.alarms_per_week)
        low, high = evidence.interval
        text = (
            f"{scale.words(evidence.mean, low, high)} over {evidence.rows} labelled rows, "
            f"{'less' if scale.is_accuracy else 'worse'} than the {scale.word(evidence.baseline)} to be expected"
            if is_drifted
            else f"{scale.words(evidence.mean, low, high)} over {evidence.rows} labelled rows, no certain loss"
        )
        finding = ColumnFinding(
            column=scale.metric,
            kind=FindingKind.QUALITY,
            is_drifted=is_drifted,
            effect=round(max(0.0, evidence.baseline - evidence.mean), 6),
            effect_unit="score lost",
            p_value=min(1.0, 1 / max(evidence.value, 1e-300)),
            description=text,
        )
        slices = self._slices(monitor, made, scale)
        findings = (finding, *(_slice_finding(each, scale) for each in slices))
        worst = f"; worst where {_where(slices[0], scale)}" if slices and is_drifted else ""
        verdict = Verdict.DRIFT if is_drifted else Verdict.NO_DRIFT
        return Detection(verdict=verdict, sentence=f"{text[0].upper()}{text[1:]}{worst}.", findings=findings)

    def _slices(self, monitor: Monitor, made: ModelVersion, scale: Scale) -> tuple[Slice, ...]:
        """The worst slices of the newest labelled rows, by columns that are masked in none of them."""
        signature = made.manifest.signature
        wanted = BatchFilter(project=monitor.project, endpoint=monitor.endpoint, version=made.ref)
        try:
            texts = self._references.get(monitor.project, made.ref).texts
        except ReferenceMissingError:
            texts = ()
        taken: list[LabelledRows] = []
        for rows in self._labelled.read(wanted):
            is_known = bool(rows.labels) and not masked_answers(signature, rows.masked)
            if is_known and (not taken or _layout(rows) == _layout(taken[0])):
                taken.append(rows)
            if sum(len(each.labels) for each in taken) >= monitor.window_rows:
                break
        if not taken:
            return ()
        inputs = {name: np.concatenate([each.inputs[name] for each in taken]) for name in taken[0].inputs}
        scores = np.concatenate([scale.scores(each) for each in taken])
        hidden = masked_columns(signature, frozenset[str]().union(*(each.masked for each in taken)))
        seen = [column for column in columns(signature, inputs, {}, texts) if not is_masked(column.name, hidden)]
        return worst_slices(seen, scores, limit=_SHOWN_SLICES)


def _slice_finding(found: Slice, scale: Scale) -> ColumnFinding:
    return ColumnFinding(
        column=found.column,
        kind=FindingKind.QUALITY,
        is_drifted=False,
        effect=round(found.rest - found.score, 6),
        effect_unit="score lost against the rest",
        p_value=found.p_value,
        description=_where(found, scale),
    )


def _where(found: Slice, scale: Scale) -> str:
    return f"{found.condition} ({scale.word(found.score)} of {found.rows} rows, {scale.word(found.rest)} elsewhere)"


def _layout(rows: LabelledRows) -> object:
    return sorted((name, tensor.shape[1:]) for name, tensor in rows.inputs.items())
