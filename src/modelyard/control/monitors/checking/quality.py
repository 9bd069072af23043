"""Quality on labelled traffic: has the version become worse than it was when it was made, and where?

Every label is counted once, in the order in which labels came, and what is remembered does not grow: so the check may
run as often as one likes (see `drift.quality.sequential`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelyard.algorithms.evaluation.intervals import wilson
from modelyard.control.captures.batches import BatchFilter
from modelyard.control.captures.masked import is_masked, masked_answers, masked_columns
from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.feedback.labelled import LabelledReader, LabelledRows
from modelyard.control.feedback.service import FeedbackService, label
from modelyard.control.monitors.checking.references import References
from modelyard.control.monitors.errors import QualityUnknownError, ReferenceMissingError
from modelyard.drift.base import Detection
from modelyard.drift.features import columns
from modelyard.drift.quality.sequential import Evidence
from modelyard.drift.quality.slices import Slice, worst_slices
from modelyard.drift.wording import number, percent
from modelyard.kit.clock import Clock
from modelyard.types.models import ModelVersion
from modelyard.types.monitoring import ColumnFinding, FindingKind, Monitor, Verdict

NAME = "quality"
_ALPHA = 0.05
_CHUNK = 2_000
_ERROR_RANGE = 10.0
_SETTLING = timedelta(seconds=5)
_SHOWN_SLICES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityMemory:
    """What a monitor remembers of one version's labels.

    Attributes:
        evidence: None while the first rows still say what is usual.
        first_rows, first_score: those rows and the sum of their scores.
        cursor: (time, inference id) of the last label that was counted.
    """

    evidence: Evidence | None = None
    first_rows: int = 0
    first_score: float = 0.0
    cursor: tuple[datetime, str] | None = None


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
        self._feedback = feedback
        self._references = references
        self._clock = clock

    def has_news(self, monitor: Monitor, memory: str | None) -> bool:
        """True if labels came that were not counted yet."""
        return bool(self._arrived(monitor, _read(memory).cursor, 1))

    def run(self, monitor: Monitor, version: str, memory: str | None) -> Judged:
        """Count the labels that came since, and judge.

        Raises:
            QualityUnknownError: it is not known how good the version was.
        """
        made = self._registry.model_version(monitor.project, version)
        scale = _Scale.of(made)
        state = _read(memory)
        if state.evidence is None and scale.baseline is not None:
            state = replace(state, evidence=Evidence(baseline=scale.baseline))
        while arrived := self._arrived(monitor, state.cursor, _CHUNK):
            state = replace(
                self._counted(monitor, made, state, [name for _, name in arrived], scale), cursor=arrived[-1]
            )
        detection = self._detection(monitor, made, state, scale)
        rows = state.evidence.rows if state.evidence else state.first_rows
        return Judged(detection=detection, rows=rows, memory=msgspec.json.encode(state).decode())

    def _arrived(
        self, monitor: Monitor, cursor: tuple[datetime, str] | None, limit: int
    ) -> Sequence[tuple[datetime, str]]:
        """Labels behind the cursor; the newest are left for later, since their captures may not be here yet."""
        until = self._clock.now() - _SETTLING
        return self._feedback.arrived(monitor.project, monitor.endpoint, cursor, until, limit)

    def _counted(
        self, monitor: Monitor, made: ModelVersion, state: QualityMemory, ids: Sequence[str], scale: "_Scale"
    ) -> QualityMemory:
        wanted = BatchFilter(project=monitor.project, endpoint=monitor.endpoint, version=made.ref)
        found = self._labelled.read_ids(wanted, ids)
        parts = [scale.scores(rows) for rows in found if not masked_answers(made.manifest.signature, rows.masked)]
        scores = np.concatenate(parts[::-1]) if parts else np.zeros(0)
        if state.evidence is not None:
            return replace(state, evidence=state.evidence.after(scores))
        first = replace(
            state, first_rows=state.first_rows + len(scores), first_score=state.first_score + float(scores.sum())
        )
        if first.first_rows < monitor.minimum_rows:
            return first
        low, _ = wilson(round(first.first_score), first.first_rows)
        return replace(first, evidence=Evidence(baseline=low))

    def _detection(self, monitor: Monitor, made: ModelVersion, state: QualityMemory, scale: "_Scale") -> Detection:
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

    def _slices(self, monitor: Monitor, made: ModelVersion, scale: "_Scale") -> tuple[Slice, ...]:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """How a version's answers are scored: 1 is right; an error of `largest` or more is 0."""

    metric: str
    baseline: float | None
    largest: float = 1.0

    @classmethod
    def of(cls, made: ModelVersion) -> "_Scale":
        """From the version's own held-out figures: the worst that their intervals allow is what is tested against."""
        figures = {metric.name: metric for metric in made.manifest.card.metrics if metric.split == "holdout"}
        if any(spec.name == "prediction" for spec in made.manifest.signature.outputs):
            error = figures.get("mae")
            if error is None:
                raise QualityUnknownError(
                    f"{made.model}:{made.number} says nowhere how large its errors were",
                    hint="Register it with the metric 'mae' of the split 'holdout' on its card.",
                )
            worst = error.high if error.high is not None else error.value
            return cls(metric="mae", baseline=1 - 1 / _ERROR_RANGE, largest=_ERROR_RANGE * max(worst, 1e-12))
        accuracy = figures.get("accuracy")
        if accuracy is None:
            return cls(metric="accuracy", baseline=None)
        return cls(metric="accuracy", baseline=accuracy.low if accuracy.low is not None else accuracy.value)

    @property
    def is_accuracy(self) -> bool:
        return self.metric == "accuracy"

    def scores(self, rows: LabelledRows) -> NDArray[np.float64]:
        """One score a labelled row, (n,); rows whose answer or truth is no number count as fully wrong."""
        if self.is_accuracy:
            answers = rows.outputs["label"].reshape(-1).tolist() if "label" in rows.outputs else []
            if len(answers) != len(rows.labels):
                return np.zeros(0)
            return np.array([label(a) == label(t) for a, t in zip(answers, rows.labels, strict=True)], dtype=np.float64)
        predicted = rows.outputs["prediction"].reshape(-1).astype(np.float64)
        truth = np.array([_float(value) for value in rows.labels])
        errors = np.abs(predicted - truth) / self.largest
        return np.asarray(1.0 - np.where(np.isfinite(errors), np.minimum(errors, 1.0), 1.0))

    def word(self, score: float) -> str:
        """A score as the metric: accuracy, or the mean error (large ones cut off)."""
        return percent(score) if self.is_accuracy else number((1 - score) * self.largest)

    def words(self, mean: float, low: float, high: float) -> str:
        ends = sorted((low, high), reverse=not self.is_accuracy)
        name = "accuracy is" if self.is_accuracy else "the mean error is"
        return f"{name} {self.word(mean)} ({self.word(ends[0])} to {self.word(ends[1])})"


def _slice_finding(found: Slice, scale: _Scale) -> ColumnFinding:
    return ColumnFinding(
        column=found.column,
        kind=FindingKind.QUALITY,
        is_drifted=False,
        effect=round(found.rest - found.score, 6),
        effect_unit="score lost against the rest",
        p_value=found.p_value,
        description=_where(found, scale),
    )


def _where(found: Slice, scale: _Scale) -> str:
    return f"{found.condition} ({scale.word(found.score)} of {found.rows} rows, {scale.word(found.rest)} elsewhere)"


def _layout(rows: LabelledRows) -> object:
    return sorted((name, tensor.shape[1:]) for name, tensor in rows.inputs.items())


def _float(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return float("nan")


def _read(memory: str | None) -> QualityMemory:
    return QualityMemory() if memory is None else msgspec.json.decode(memory, type=QualityMemory)
