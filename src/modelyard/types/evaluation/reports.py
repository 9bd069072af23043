"""How good endpoints are on their own traffic: evaluations, comparisons of two versions, bias by group."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A measured figure with its 95 % interval, or the reason why there is none.

    Attributes:
        name: what was measured ("accuracy").
        value: the figure; null where the rows are too few to say.
        low: lower end of the interval.
        high: upper end of the interval.
        n: rows that it was measured on.
        note: why there is no value, or what to know about it.
    """

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Rows that the model was about equally sure of; calibrated: `accuracy` is about `confidence`.

    Attributes:
        low: least confidence of the bin.
        high: largest confidence of the bin.
        n: rows in it.
        confidence: their mean confidence.
        accuracy: share of them that was answered rightly.
        accuracy_low: lower end of its 95 % interval.
        accuracy_high: upper end of its 95 % interval.
    """

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfusionCell:
    """How many rows of class `truth` were answered `predicted`."""

    truth: str
    predicted: str
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationGroup:
    """The figures of one group of rows.

    Attributes:
        version: the model version that answered.
        variant: the endpoint's variant, if rows are grouped by it.
        day: the day (UTC) of the requests, if rows are grouped by it.
        slice: the value or range of the slice's column, if rows are sliced.
        rows: captured rows of the group.
        labelled: those of them whose truth is known; all figures are theirs.
        figures: by name.
        calibration: bins of confidence, where the version answers probabilities.
        confusion: truth against answer, for up to 20 classes.
    """

    version: str
    variant: str | None = None
    day: str | None = None
    slice: str | None = None
    rows: int
    labelled: int
    figures: tuple[Figure, ...] = ()
    calibration: tuple[CalibrationBin, ...] = ()
    confusion: tuple[ConfusionCell, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointEvaluation:
    """How good an endpoint's answers were, by group.

    Attributes:
        endpoint: its name.
        task: "classification" or "regression"; empty if nothing was captured.
        slice_column: the column that rows are sliced by.
        minimum_rows: groups with fewer labelled rows get no figures.
        rows: captured rows in the window.
        labelled: those whose truth is known.
        is_cut: the window holds more rows than were asked for: only the newest count.
        since: time of the first request.
        until: time of the last request.
        groups: by version, variant, day and slice, as asked.
    """

    endpoint: str
    task: str
    slice_column: str | None
    minimum_rows: int
    rows: int
    labelled: int
    is_cut: bool
    since: datetime | None
    until: datetime | None
    groups: tuple[EvaluationGroup, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceDifference:
    """By how much the challenger is better on a slice.

    Attributes:
        column: that rows are sliced by.
        slice: its value or range.
        difference: as in Comparison; its interval is widened for the number of slices that were looked at.
        is_worse: the whole interval is below 0.
    """

    column: str
    slice: str
    difference: Figure
    is_worse: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """Champion against challenger on the same rows. Differences above 0: the challenger is better.

    Attributes:
        task: "classification" or "regression".
        rows: rows that both answered.
        labelled: those whose truth is known.
        differing: share of rows with another answer: another label, or another number.
        mean_change: mean size of the change of the answer (regression), or of the champion's class probability.
        champion: figures of the champion.
        challenger: figures of the challenger on the same rows.
        difference: of accuracy, or by how much the RMSE is smaller.
        p_value: chance of a difference at least this large between equally good versions.
        slices: each slice with enough rows, the worst first.
        sentence: the result in words.
    """

    task: str
    rows: int
    labelled: int
    differing: Figure
    mean_change: Figure
    champion: tuple[Figure, ...] = ()
    challenger: tuple[Figure, ...] = ()
    difference: Figure
    p_value: float | None
    slices: tuple[SliceDifference, ...] = ()
    sentence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointComparison:
    """Two versions of an endpoint on the same captured requests.

    Attributes:
        endpoint: its name.
        champion: the version that is compared with.
        challenger: the version that wants to take over.
        is_cut: the window holds more rows than were asked for, or than the time allowed: only the newest count.
        challenge: the result.
        masked_rows: rows that were left out because inputs of theirs were hashed or dropped.
        masked: those inputs.
    """

    endpoint: str
    champion: str
    challenger: str
    is_cut: bool
    challenge: Challenge
    masked_rows: int = 0
    masked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BiasGroup:
    """What a group gets, and how it compares with the reference group.

    Attributes:
        group: value or range of the group's column.
        rows: captured rows of the group.
        labelled: those whose truth is known.
        is_small: fewer rows than a rate needs: no figures.
        is_reference: the group that others are compared with.
        rates: selection_rate; with truth: true_positive_rate, false_positive_rate, precision, calibration_gap.
        differences: each rate less that of the reference group.
        ratios: each rate as a multiple of that of the reference group.
    """

    group: str
    rows: int
    labelled: int
    is_small: bool
    is_reference: bool
    rates: tuple[Figure, ...] = ()
    differences: tuple[Figure, ...] = ()
    ratios: tuple[Figure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BiasReport:
    """How a version treats groups of rows.

    Attributes:
        endpoint: its name.
        version: the model version that answered.
        column: whose values are the groups.
        favourable: the answer that counts as being selected.
        minimum_rows: smaller groups get no figures.
        groups: the largest first.
        findings: sentences about differences that chance does not explain.
    """

    endpoint: str
    version: str
    column: str
    favourable: str
    minimum_rows: int
    groups: tuple[BiasGroup, ...] = ()
    findings: tuple[str, ...] = field(default=())
