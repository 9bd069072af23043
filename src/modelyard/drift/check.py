"""A whole check: every column tested, corrected for the number of tests, one verdict and one sentence."""

from collections.abc import Sequence
from typing import ClassVar

from modelyard.drift.base import Comparison, Detection, DetectionSettings, Detector, DriftTest
from modelyard.drift.column_tests import SHARE, DistributionTest, MissingTest, NoveltyTest, TypeTest
from modelyard.drift.features import Tensors
from modelyard.drift.reference import ReferenceSketch, WindowSketch, window_of
from modelyard.drift.repeats import expected_share
from modelyard.drift.statistics import benjamini_hochberg, excess, least_excess
from modelyard.drift.wording import percent, sentence
from modelyard.types.monitoring import ColumnFinding, FindingKind, Verdict

_FLOOR_REPEATED = 0.2
_TESTS: tuple[DriftTest, ...] = (DistributionTest(), MissingTest(), TypeTest(), NoveltyTest())
# What quality tests get of the acceptable false alarms. They are exact on few marked rows, so they use little of it,
# and what they find is seldom subtle; the distribution tests use all of theirs.
_QUALITY_PART = 0.1


class ColumnDetector(Detector):
    """Tests each column by itself, with the Benjamini-Hochberg correction over the tests of the check.

    That does about as well as tests over all columns together, and it can say which column it was.
    Source: S. Rabanser et al., "Failing Loudly", NeurIPS 2019.
    """

    name: ClassVar[str] = "drift"
    description: ClassVar[str] = "Inputs and predictions against the training data, column by column."

    def detect(self, reference: ReferenceSketch, window: WindowSketch, settings: DetectionSettings) -> Detection:
        """One verdict for the window; see Detector."""
        if window.rows < max(1, settings.minimum_rows):
            return settings.too_few(window.rows)
        repeats = _repeats(reference, window)
        rows = window.rows - round(repeats[2].effect * window.rows) if repeats[2].is_large else window.rows
        compared = [repeats]
        for name in filter(self.watches, reference.columns):
            compared.extend(_column(name, reference, window, rows))
        findings = _findings(compared, settings.alpha)
        verdict = Verdict.DRIFT if any(finding.is_drifted for finding in findings) else Verdict.NO_DRIFT
        return Detection(verdict=verdict, sentence=sentence(findings, window.rows), findings=findings)

    def watches(self, column: str) -> bool:  # noqa: ARG002 - detectors that watch fewer columns say which
        """True for the columns that this detector judges: all of them."""
        return True


class PredictionDetector(ColumnDetector):
    """Only what the model answers: the most sensitive single place to look, and blind to inputs it ignores."""

    name: ClassVar[str] = "prediction-drift"
    description: ClassVar[str] = "Predicted labels, values and confidences against those on the training data."

    def watches(self, column: str) -> bool:
        """True for predictions."""
        return is_prediction(column)


class InputDetector(ColumnDetector):
    """Only what the model is asked."""

    name: ClassVar[str] = "input-drift"
    description: ClassVar[str] = "Input columns (or image statistics) against the training data."

    def watches(self, column: str) -> bool:
        """True for inputs."""
        return not is_prediction(column)


def is_prediction(column: str) -> bool:
    """True for columns made from outputs."""
    return column == "prediction" or column.startswith(("prediction.", "output."))


def check(
    reference: ReferenceSketch,
    inputs: Tensors,
    outputs: Tensors,
    *,
    minimum_rows: int = 100,
    alarms_per_week: float = 1.0,
    checks_per_week: float = 168.0,
) -> tuple[Verdict, str, tuple[ColumnFinding, ...]]:
    """Compare one window of tensors with the reference: verdict, sentence, findings (drifted ones first).

    Args:
        reference: from `build_reference`.
        inputs: n rows as the model got them.
        outputs: the model's answers; may be empty.
        minimum_rows: below it the verdict is INSUFFICIENT.
        alarms_per_week: false alarms a week that are acceptable; the fewer, the surer a drift must be.
        checks_per_week: how many checks share these alarms.
    """
    settings = DetectionSettings(
        minimum_rows=minimum_rows, alarms_per_week=alarms_per_week, checks_per_week=checks_per_week
    )
    window = window_of(reference, [(inputs, outputs)])
    detection = ColumnDetector().detect(reference, window, settings)
    return detection.verdict, detection.sentence, detection.findings


_Compared = tuple[str, FindingKind, Comparison]


def _column(name: str, reference: ReferenceSketch, window: WindowSketch, rows: int) -> list[_Compared]:
    """All that the tests say about one column."""
    before, now = reference.columns[name], window.columns[name]
    said = [(name, test.kind, test.compare(name, before, now, rows=rows)) for test in _TESTS]
    return [(column, kind, comparison) for column, kind, comparison in said if comparison is not None]


def _repeats(reference: ReferenceSketch, window: WindowSketch) -> _Compared:
    """How many more rows repeat an earlier row than in a sample of the same size from the reference."""
    share, usual = window.repeats.share, expected_share(reference.repeats, window.rows)
    rows = window.repeats.rows
    counts = round(usual * reference.rows), reference.rows, round(share * rows), rows
    comparison = Comparison(
        effect=max(0.0, share - usual),
        effect_unit=SHARE,
        p_value=excess(*counts),
        least_p_value=least_excess(*counts),
        is_large=share - usual >= _FLOOR_REPEATED,
        description=f"{percent(share)} of the rows repeat an earlier row instead of {percent(usual)}",
    )
    return "rows", FindingKind.REPEATED, comparison


def _findings(compared: Sequence[_Compared], alpha: float) -> tuple[ColumnFinding, ...]:
    """Corrected for the number of tests, the drifted ones first, then by effect.

    Distributions and data quality are two families with a part of `alpha` each: the many quality tests, nearly all of
    which find nothing, would else cost the distribution tests most of their power. Tests that found nothing at all
    (no value missing, none new) are not listed.
    """
    moved = [each for each in compared if each[1] is FindingKind.DISTRIBUTION]
    quality = [each for each in compared if each[1] is not FindingKind.DISTRIBUTION]
    findings = [*_judged(moved, alpha * (1 - _QUALITY_PART)), *_judged(quality, alpha * _QUALITY_PART)]
    return tuple(sorted(findings, key=lambda finding: (not finding.is_drifted, -finding.effect, finding.column)))


def _judged(compared: Sequence[_Compared], alpha: float) -> list[ColumnFinding]:
    """The findings of one family."""
    could_alarm = [each for each in compared if each[2].least_p_value <= alpha]
    is_certain = benjamini_hochberg([comparison.p_value for _, _, comparison in could_alarm], alpha)
    certain = {(name, kind) for (name, kind, _), yes in zip(could_alarm, is_certain, strict=True) if yes}
    return [
        ColumnFinding(
            column=name,
            kind=kind,
            is_drifted=(name, kind) in certain and comparison.is_large,
            effect=round(comparison.effect, 6),
            effect_unit=comparison.effect_unit,
            p_value=comparison.p_value,
            description=comparison.description,
        )
        for name, kind, comparison in compared
        if comparison.effect or comparison.effect_unit != SHARE
    ]
