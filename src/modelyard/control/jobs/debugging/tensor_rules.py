"""Rules on the tensors of a watched network: gradients that vanish or explode, units that are dead."""

from collections.abc import Mapping
from statistics import median

from modelyard.control.jobs.debugging.curves import Curve, Curves
from modelyard.control.jobs.debugging.verdicts import Rule, Verdict
from modelyard.types.debugging.rules import DEAD_SHARE, GRADIENT_NORM, WEIGHT_NORM, RuleDescription, RuleSetting

_FEWEST_LAYERS = 2
_FEWEST_EARLIER = 5
_OBSERVATIONS = RuleSetting(name="observations", default=5, minimum=1, description="In so many observations in a row.")


def _vanishing(curves: Curves, settings: Mapping[str, float]) -> Verdict | None:
    count, ratio = int(settings["observations"]), settings["ratio"]
    layers = {name: each for name, each in curves.below(GRADIENT_NORM).items() if len(each.values) >= count}
    if len(layers) < _FEWEST_LAYERS:
        return None
    relative = {name: _relative(each, curves.get(f"{WEIGHT_NORM}/{name}"), count) for name, each in layers.items()}
    largest = [max(each[index] for each in relative.values()) for index in range(count)]
    shares = {
        name: [norm / most if most else 1.0 for norm, most in zip(norms, largest, strict=True)]
        for name, norms in relative.items()
    }
    least = min(shares, key=lambda each: shares[each][-1])
    if max(shares[least]) >= ratio:
        return None
    most, step, share = max(shares, key=lambda each: shares[each][-1]), layers[least].steps[-1], shares[least][-1]
    message = (
        f"Up to step {step} the gradients of layer '{least}', for the size of its weights, are {share:.2g} of those of "
        f"'{most}': it hardly learns. Try ReLU or GELU in place of sigmoid and tanh, normalisation between layers, "
        "skip connections, or another initialisation."
    )
    return Verdict(step=step, value=share, message=message)


def _relative(gradient: Curve, weight: Curve | None, count: int) -> list[float]:
    """The newest norms of gradients, each divided by that of the weights where it is known."""
    newest = gradient.values[-count:]
    size = weight.values[-1] if weight is not None and weight.values and weight.values[-1] > 0 else 1.0
    return [value / size for value in newest]


def _exploding(curves: Curves, settings: Mapping[str, float]) -> Verdict | None:
    curve, count = curves.get(GRADIENT_NORM), int(settings["observations"])
    if curve is None or len(curve.values) < count:
        return None
    newest, earlier = curve.values[-count:], curve.values[:-count]
    usual = median(earlier) if len(earlier) >= _FEWEST_EARLIER else 0.0
    is_far = usual > 0 and min(newest) > settings["factor"] * usual
    if not is_far and min(newest) <= settings["largest"]:
        return None
    step, norm = curve.steps[-1], newest[-1]
    beside = f", the median before was {usual:.3g}" if usual else ""
    message = (
        f"The norm of all gradients is {norm:.3g} at step {step}{beside}. Clip gradients "
        "(torch.nn.utils.clip_grad_norm_), try a smaller learning rate or a warm-up, and scale the inputs."
    )
    return Verdict(step=step, value=norm, message=message)


def _dead(curves: Curves, settings: Mapping[str, float]) -> Verdict | None:
    count, share = int(settings["observations"]), settings["share"]
    for name, curve in curves.below(DEAD_SHARE).items():
        if len(curve.values) >= count and min(curve.values[-count:]) > share:
            step, value = curve.steps[-1], curve.values[-1]
            message = (
                f"Up to step {step}, {value:.0%} of the units of layer '{name}' answer 0 to every row: they learn "
                "nothing any more. Try a smaller learning rate, LeakyReLU or GELU, or smaller biases at the start."
            )
            return Verdict(step=step, value=value, message=message)
    return None


VANISHING_GRADIENTS = Rule(
    description=RuleDescription(
        name="vanishing_gradients",
        looks_at="gradient_norm/<layer> and weight_norm/<layer>",
        finds="The gradients of one layer, for the size of its weights, are next to nothing beside another layer's.",
        settings=(
            _OBSERVATIONS,
            RuleSetting(name="ratio", default=1e-4, minimum=0, description="Below this share of the largest."),
        ),
    ),
    check=_vanishing,
)
EXPLODING_GRADIENTS = Rule(
    description=RuleDescription(
        name="exploding_gradients",
        looks_at="gradient_norm",
        finds="The norm of all gradients is far above what it was before, or above any bound.",
        settings=(
            RuleSetting(name="observations", default=2, minimum=1, description="In so many observations in a row."),
            RuleSetting(name="factor", default=100, minimum=1, description="So many times the median before."),
            RuleSetting(name="largest", default=1e6, minimum=0, description="Or above this, whatever was before."),
        ),
    ),
    check=_exploding,
)
DEAD_UNITS = Rule(
    description=RuleDescription(
        name="dead_units",
        looks_at="dead_share/<layer>",
        finds="Many units of a layer answer zero to every row of the batch.",
        settings=(_OBSERVATIONS, RuleSetting(name="share", default=0.5, minimum=0, description="More than this.")),
    ),
    check=_dead,
)
