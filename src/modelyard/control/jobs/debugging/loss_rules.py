"""Rules on losses and scores: a model that does not learn, or learns its rows by heart."""

from collections.abc import Mapping
from statistics import median

from modelyard.control.jobs.debugging.curves import Curve, Curves, Part, base_of
from modelyard.control.jobs.debugging.verdicts import Rule, Verdict
from modelyard.types.debugging.rules import NOT_FINITE, RuleDescription, RuleSetting

_RECENT = 3
_NOTHING = 1e-9
_CLEARLY = 0.05
_TRAINING_FALL = 0.01
_FEWEST = 3


def _not_decreasing(curves: Curves, settings: Mapping[str, float]) -> Verdict | None:
    for curve in curves.losses(Part.TRAINING) or curves.losses(Part.VALIDATION):
        found = _stands(curve, int(settings["values"]), settings["fall"])
        if found:
            return found
    return None


def _stands(curve: Curve, count: int, fall: float) -> Verdict | None:
    if len(curve.values) < count:
        return None
    window = curve.values[-count:]
    before, after = median(window[: count // 2]), median(window[count // 2 :])
    size = abs(before)
    if size < _NOTHING or after < before - fall * size:
        return None
    first, step = median(curve.values[:_RECENT]), curve.steps[-1]
    seen = f"In its last {count} values, up to step {step}, {curve.name} went from {before:.4g} to {after:.4g}"
    if after > before + max(fall, _CLEARLY) * size:
        advice = "it rises. Try a smaller learning rate, and clip gradients"
    elif after < first - _CLEARLY * abs(first):
        advice = (
            f"it began at {first:.4g} and stands still now. It has converged, or needs a smaller learning rate: "
            "what runs longer costs and gains nothing"
        )
    else:
        advice = (
            "it has not fallen since the start. Try another learning rate (ten times smaller, then larger), and look "
            "whether inputs are scaled and labels belong to their rows"
        )
    return Verdict(step=step, value=(before - after) / size, message=f"{seen}: {advice}.")


def _overfitting(curves: Curves, settings: Mapping[str, float]) -> Verdict | None:
    training = curves.losses(Part.TRAINING)
    losses = [(each, 1.0) for each in curves.losses(Part.VALIDATION)]
    scores = [(each, -1.0) for each in curves.scores(Part.VALIDATION)]
    for curve, sign in (*losses, *scores):
        same = [each for each in training if base_of(each.name) == base_of(curve.name)]
        for train in (same or training)[:1]:
            found = _parts(curve, sign, train, int(settings["patience"]), settings["rise"])
            if found:
                return found
    return None


def _parts(curve: Curve, sign: float, train: Curve, patience: int, rise: float) -> Verdict | None:
    """Whether a validation curve has turned for the worse while the training loss goes on falling."""
    if len(curve.values) < patience + _FEWEST:
        return None
    smooth = [sign * value for value in curve.smooth()]
    best = min(range(len(smooth)), key=smooth.__getitem__)
    now, size = median(smooth[-_RECENT:]), max(abs(smooth[best]), _NOTHING)
    if len(smooth) - 1 - best < patience or now < smooth[best] + rise * size:
        return None
    was, is_now = train.at(curve.steps[best]), train.at(curve.steps[-1])
    if was is None or is_now is None or is_now > was - _TRAINING_FALL * abs(was):
        return None
    step = curve.steps[best]
    message = (
        f"{curve.name} was best at step {step} ({sign * smooth[best]:.4g}) and is {sign * now:.4g} at step "
        f"{curve.steps[-1]}, while {train.name} went on from {was:.4g} to {is_now:.4g}: the model learns its rows by "
        f"heart. End the training near step {step}, or try more data, augmentation, weight decay, dropout or a "
        "smaller model."
    )
    return Verdict(step=curve.steps[-1], value=(now - smooth[best]) / size, message=message)


def _not_finite(curves: Curves, _settings: Mapping[str, float]) -> Verdict | None:
    for name, curve in curves.below(NOT_FINITE).items():
        hits = [(step, value) for step, value in zip(curve.steps, curve.values, strict=True) if value > 0]
        if hits:
            step, value = hits[0]
            message = (
                f"{name} was NaN or infinite at step {step}. Try a smaller learning rate, clip gradients, and look "
                "for missing or huge values in the data, logarithms of 0 and divisions by 0."
            )
            return Verdict(step=step, value=value, message=message)
    return None


LOSS_NOT_DECREASING = Rule(
    description=RuleDescription(
        name="loss_not_decreasing",
        looks_at="training losses (loss, train_loss, train_rmse, ...), validation losses where there are none",
        finds="Of the newest values, the median of the later half is not below that of the earlier one.",
        settings=(
            RuleSetting(name="values", default=30, minimum=4, description="So many of the newest values are compared."),
            RuleSetting(name="fall", default=0.01, minimum=0, description="It must fall by this share at least."),
        ),
    ),
    check=_not_decreasing,
)
OVERFITTING = Rule(
    description=RuleDescription(
        name="overfitting",
        looks_at="validation losses and scores (val_loss, validation_accuracy, ...) and a training loss",
        finds="A validation figure was best a while ago and is clearly worse, while the training loss fell further.",
        settings=(
            RuleSetting(name="patience", default=5, minimum=1, description="So many values ago it was best."),
            RuleSetting(name="rise", default=0.1, minimum=0, description="It is worse by this share of the best."),
        ),
    ),
    check=_overfitting,
)
FINITE = Rule(
    description=RuleDescription(
        name="not_finite",
        looks_at="every figure, and the tensors of a watched network",
        finds="A value was NaN or infinite.",
    ),
    check=_not_finite,
)
