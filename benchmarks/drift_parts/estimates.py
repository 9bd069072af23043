"""Quality estimated without truth, against the truth that the nannyml sets bring later."""

from collections.abc import Mapping

import numpy as np
from benchmarks.drift_parts.sets import CAR_PRICE, SETS, Part, load
from sklearn.metrics import roc_auc_score

from modelyard.drift.quality.estimates import Estimate
from modelyard.drift.quality.estimation import estimate
from modelyard.drift.reference import build_reference, window_of, with_errors, with_truth

CHUNK = 5_000
_SETS = {name: SETS[name] for name in ("car loan", "work from home", "credit cards")} | {"car price": CAR_PRICE}


def estimates() -> list[dict[str, object]]:
    """For each set and metric the estimate's error over the windows of the analysis period."""
    return [found for name in _SETS for found in _of(name)]


def _of(name: str) -> list[dict[str, object]]:
    signature, before, analysis = load(_SETS[name])
    sketch = build_reference(signature, before.inputs, before.outputs)
    if "prediction" in before.outputs:
        sketch = with_errors(sketch, before.inputs, before.outputs, before.errors)
    else:
        sketch = with_truth(sketch, before.outputs, before.right)
    windows = []
    for start in range(0, analysis.rows - CHUNK + 1, CHUNK):
        part = analysis.slice(start, start + CHUNK)
        found = {each.metric: each for each in estimate(sketch, window_of(sketch, [(part.inputs, part.outputs)]))}
        windows.append([(found[metric], value) for metric, value in _true(part, found).items()])
    return [_summary(name, metric) for metric in zip(*windows, strict=True)]


def _true(part: Part, wanted: Mapping[str, Estimate]) -> dict[str, float]:
    if "prediction" in part.outputs:
        return {"mae": float(np.abs(part.errors).mean()), "rmse": float(np.sqrt(np.square(part.errors).mean()))}
    true = {"accuracy": float(part.right.mean())}
    if "roc_auc" in wanted:
        true["roc_auc"] = float(roc_auc_score(part.truth == "1", part.outputs["probabilities"][:, 1]))
    return true


def _summary(name: str, windows: tuple[tuple[Estimate, float], ...]) -> dict[str, object]:
    guesses = [guess for guess, _ in windows]
    true = [value for _, value in windows]
    errors = np.abs(np.array(true) - np.array([guess.value for guess in guesses]))
    found: dict[str, object] = {
        "set": name,
        "metric": guesses[0].metric,
        "windows": len(true),
        "true_first": true[0],
        "true_last": true[-1],
        "estimated_first": guesses[0].value,
        "estimated_last": guesses[-1].value,
        "mean_error": float(errors.mean()),
        "largest_error": float(errors.max()),
    }
    if guesses[0].low is not None:
        found["covered"] = sum(guess.low <= value <= guess.high for guess, value in windows)
    return found
