"""Can a classifier tell the window's rows from the reference's? Finds what no column shows by itself; ranks columns.

The classifier learns on one half of the rows and is judged on the other, so the judgement is an ordinary two-sample
test with a known null distribution, whatever the classifier. Source: D. Lopez-Paz and M. Oquab, "Revisiting Classifier
Two-Sample Tests", ICLR 2017; for drift, S. Rabanser et al., "Failing Loudly", NeurIPS 2019.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from modelyard.drift.base import Detection, DetectionSettings, Detector
from modelyard.drift.reference import ReferenceSketch, WindowSketch
from modelyard.drift.samples import unpack
from modelyard.drift.wording import percent
from modelyard.errors import InvalidStateError
from modelyard.types.monitoring import ColumnFinding, FindingKind, Verdict

_UNIT = "share of pairs told apart"
_FLOOR = 0.1
_MIN_ROWS = 40
_RANKED, _NAMED = 30, 5
_LEAST_SHARE = 0.01
_SEED = 20_260_101


class SampleMissingError(InvalidStateError):
    """The reference holds no sample of whole rows."""

    code = "drift_sample_missing"


class MultivariateDetector(Detector):
    """A domain classifier of random trees, so that relations between columns count."""

    name: ClassVar[str] = "multivariate-drift"
    description: ClassVar[str] = "A classifier that tries to tell traffic from training data, and the columns it uses."

    def detect(self, reference: ReferenceSketch, window: WindowSketch, settings: DetectionSettings) -> Detection:
        """One verdict; the effect is the share of pairs of rows (one of each) that the classifier orders rightly.

        Raises:
            SampleMissingError: the reference holds no rows.
        """
        if window.rows < max(1, settings.minimum_rows):
            return settings.too_few(window.rows)
        before, now = unpack(reference.sample, reference.columns), window.sample.columns
        names = [name for name in reference.columns if name in before and name in now]
        if not names or len(before[names[0]]) < _MIN_ROWS:
            raise SampleMissingError(
                "Rows cannot be told apart: the reference holds no sample of whole rows",
                hint="Train the model here, or register the version again, with a reference of this release.",
            )
        if window.sample.rows < _MIN_ROWS:
            return settings.too_few(window.sample.rows)
        effect, p_value, shares = _told_apart(_table(names, before), _table(names, now), names)
        is_drifted = p_value <= settings.alpha and effect >= _FLOOR
        text = f"traffic and reference can be told apart in {percent(max(0.0, effect))} of the pairs of rows"
        findings = [_finding("rows", text, effect, p_value, is_drifted=is_drifted)]
        ranked = [
            name for name in sorted(shares, key=lambda name: -shares[name])[:_NAMED] if shares[name] > _LEAST_SHARE
        ]
        if is_drifted:
            told = ((name, f"{name} tells {percent(shares[name])} of them apart") for name in ranked)
            findings += [_finding(name, words, shares[name], p_value, is_drifted=True) for name, words in told]
            sentence = f"{text[0].upper()}{text[1:]}" + (f", most by {', '.join(ranked)}" if ranked else "")
        else:
            sentence = f"No drift: {window.sample.rows} rows cannot be told from the reference data"
        verdict = Verdict.DRIFT if is_drifted else Verdict.NO_DRIFT
        return Detection(verdict=verdict, sentence=f"{sentence}.", findings=tuple(findings))


def _finding(column: str, text: str, effect: float, p_value: float, *, is_drifted: bool) -> ColumnFinding:
    return ColumnFinding(
        column=column,
        kind=FindingKind.TOGETHER,
        is_drifted=is_drifted,
        effect=round(max(0.0, effect), 6),
        effect_unit=_UNIT,
        p_value=p_value,
        description=text,
    )


def _table(names: list[str], columns: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    table = np.stack([columns[name].astype(np.float32) for name in names], axis=1)
    return np.where(np.isfinite(table), table, np.nan).astype(np.float32)


def _told_apart(
    before: NDArray[np.float32], now: NDArray[np.float32], names: list[str]
) -> tuple[float, float, dict[str, float]]:
    """(2 AUC - 1 on the judging half, its one-sided p-value, what each column contributes)."""
    from sklearn.ensemble import ExtraTreesClassifier  # noqa: PLC0415 - takes two seconds to load

    random = np.random.default_rng(_SEED)
    before, now = random.permutation(before), random.permutation(now)
    halves = [np.concatenate([before[part::2], now[part::2]]) for part in (0, 1)]
    truths = [np.repeat([0, 1], [len(before[part::2]), len(now[part::2])]) for part in (0, 1)]
    classifier = ExtraTreesClassifier(
        n_estimators=100, min_samples_leaf=4, max_features=None, class_weight="balanced", random_state=_SEED
    )
    classifier.fit(halves[0], truths[0])
    area, p_value = _rank_test(classifier.predict_proba(halves[1])[:, 1], truths[1])
    shares = {}
    if p_value <= 0.05:  # noqa: PLR2004 - no verdict asks for less certainty
        for place in np.argsort(-classifier.feature_importances_, kind="stable")[:_RANKED].tolist():
            shuffled = halves[1].copy()
            shuffled[:, place] = random.permutation(shuffled[:, place])
            without, _ = _rank_test(classifier.predict_proba(shuffled)[:, 1], truths[1])
            shares[names[place]] = 2 * (area - without)
    return 2 * area - 1, p_value, shares


def _rank_test(scores: NDArray[np.float64], truth: NDArray[np.int64]) -> tuple[float, float]:
    """Area under the ROC curve and the one-sided p-value of Mann, Whitney and Wilcoxon, ties considered."""
    from scipy.stats import mannwhitneyu  # noqa: PLC0415 - takes half a second to load

    found = mannwhitneyu(scores[truth == 1], scores[truth == 0], alternative="greater", method="asymptotic")
    return float(found.statistic) / float((truth == 1).sum() * (truth == 0).sum()), float(found.pvalue)
