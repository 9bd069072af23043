"""Quality estimated without truth, against the truth that the nannyml sets bring later."""

import numpy as np
from benchmarks.drift_parts.sets import load
from sklearn.metrics import roc_auc_score

from modelyard.drift.quality.estimation import estimate
from modelyard.drift.reference import build_reference, window_of, with_truth

CHUNK = 5_000
_SETS = ("car loan", "work from home", "credit cards")


def estimates() -> list[dict[str, object]]:
    """For each set and metric the estimate's error over the windows of the analysis period."""
    return [found for name in _SETS for found in _of(name)]


def _of(name: str) -> list[dict[str, object]]:
    signature, reference, analysis = load(name)
    sketch = build_reference(signature, reference.inputs, reference.outputs)
    sketch = with_truth(sketch, reference.outputs, reference.right)
    true: dict[str, list[float]] = {}
    guess: dict[str, list[float]] = {}
    covered = 0
    for start in range(0, analysis.rows - CHUNK + 1, CHUNK):
        part = analysis.slice(start, start + CHUNK)
        found = {e.metric: e for e in estimate(sketch, window_of(sketch, [(part.inputs, part.outputs)]))}
        actual = {"accuracy": float(part.right.mean())}
        if "roc_auc" in found:
            second = part.truth.astype(str) == "1"
            actual["roc_auc"] = float(roc_auc_score(second, part.outputs["probabilities"][:, 1]))
        covered += found["accuracy"].low <= actual["accuracy"] <= found["accuracy"].high
        for metric, value in actual.items():
            true.setdefault(metric, []).append(value)
            guess.setdefault(metric, []).append(found[metric].value)
    return [_summary(name, metric, true[metric], guess[metric], covered) for metric in true]


def _summary(name: str, metric: str, true: list[float], guess: list[float], covered: int) -> dict[str, object]:
    errors = np.abs(np.array(true) - np.array(guess))
    found: dict[str, object] = {
        "set": name,
        "metric": metric,
        "windows": len(true),
        "true_first": true[0],
        "true_last": true[-1],
        "estimated_first": guess[0],
        "estimated_last": guess[-1],
        "mean_error": float(errors.mean()),
        "largest_error": float(errors.max()),
    }
    return found | ({"covered": covered} if metric == "accuracy" else {})
