"""The two contracts of drift: a test compares one column, a detector judges a whole window.

Objects of both hold no state between calls and may be used from any thread.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from modelyard.drift.reference import ReferenceSketch, WindowSketch
from modelyard.drift.sketches import Sketch
from modelyard.types.monitoring import ColumnFinding, FindingKind, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How one column of a window differs from the reference.

    Attributes:
        effect: size of the difference in plain units; 0 is none.
        effect_unit: what `effect` counts ("share of rows moved").
        p_value: chance of a difference at least this large in a window of this size when nothing has changed.
        is_large: large enough to matter, however certain it is.
        description: plain words with the figures of both sides ("noise rose from 2.1 to 4.9").
        least_p_value: the smallest p-value that the test could have given here, whatever the window held; tests that
            could not have alarmed do not count in the correction.
    """

    effect: float
    effect_unit: str
    p_value: float
    is_large: bool
    description: str
    least_p_value: float = 0.0


class DriftTest(ABC):
    """Compares one column of a window with the reference in one respect."""

    kind: ClassVar[FindingKind]

    @abstractmethod
    def compare(self, name: str, reference: Sketch, window: Sketch, *, rows: int) -> Comparison | None:
        """The difference, or None where this test has nothing to say about such a column.

        Args:
            name: the column's name, for the description.
            reference: sketch of the reference data; is not changed.
            window: sketch of the window in the reference's bins; is not changed.
            rows: independent rows in the window, at most `window.count`: rows that only repeat others do not count.

        Never raises for sketches that were made together; the p-value must be calibrated: uniform or larger when the
        window comes from the reference's distribution, whatever the number of rows.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionSettings:
    """The knobs of a monitor.

    Attributes:
        minimum_rows: smaller windows get the verdict INSUFFICIENT.
        alarms_per_week: how many false alarms a week are acceptable while nothing drifts.
        checks_per_week: how often the monitor looks.
    """

    minimum_rows: int = 100
    alarms_per_week: float = 1.0
    checks_per_week: float = 168.0

    @property
    def alpha(self) -> float:
        """Chance of a false alarm that each check may have; at most 5 %."""
        return min(0.05, max(1e-9, self.alarms_per_week / max(self.checks_per_week, 1e-9)))

    def too_few(self, rows: int) -> "Detection":
        """The answer for a window that is too small."""
        text = f"Not enough rows to judge: {rows} of at least {max(1, self.minimum_rows)}."
        return Detection(verdict=Verdict.INSUFFICIENT, sentence=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """What a detector found: one verdict, one sentence, and a finding per column, the largest effect first."""

    verdict: Verdict
    sentence: str
    findings: tuple[ColumnFinding, ...] = ()


class Detector(ABC):
    """Judges a window of an endpoint's traffic against the reference sketch of the version that answered it."""

    name: ClassVar[str]
    description: ClassVar[str]

    @abstractmethod
    def detect(self, reference: ReferenceSketch, window: WindowSketch, settings: DetectionSettings) -> Detection:
        """One verdict for the window.

        Over a quiet year it may answer DRIFT at most `settings.alarms_per_week` times a week on average.

        Raises:
            ModelyardError: the window cannot be judged; the monitor reports FAILED with the message.
        """
