"""Steps that say whether something holds; other steps run `when` or `unless` it does."""

from collections.abc import Iterator

from modelyard.control.pipelines.definition.turns import HOLDS
from modelyard.control.pipelines.definition.typing import is_of
from modelyard.control.pipelines.kinds.base import Immediate, Inputs, Progress, Stage, StepContext
from modelyard.types.pipelines.definitions import InputSpec, KindDescription, OutputSpec, ValueType


class ConditionStep(Immediate):
    """Compares a value with bounds."""

    description = KindDescription(
        name="condition",
        description="Says whether a value keeps its bounds, all that are given.",
        inputs=(
            InputSpec(name="value", type=ValueType.ANY, description="What is looked at.", is_required=True),
            InputSpec(name="at_least", type=ValueType.NUMBER, description="Smallest number that is allowed."),
            InputSpec(name="at_most", type=ValueType.NUMBER, description="Largest number that is allowed."),
            InputSpec(name="equals", type=ValueType.ANY, description="The one value that is allowed."),
        ),
        outputs=(OutputSpec(name=HOLDS, type=ValueType.BOOLEAN, description="Whether all bounds are kept."),),
    )

    def begin(self, _context: StepContext, inputs: Inputs) -> Progress:
        """See StepKind."""
        value, bounds = inputs["value"], [name for name in ("at_least", "at_most") if inputs.get(name) is not None]
        if bounds and not is_of(value, ValueType.NUMBER):
            message = f"{value!r} is no number and cannot be compared with {bounds[0]}."
            return Progress(stage=Stage.FAILED, message=message, is_permanent=True)
        if not bounds and "equals" not in inputs:
            message = "The condition has no bound: give at_least, at_most or equals."
            return Progress(stage=Stage.FAILED, message=message, is_permanent=True)
        broken = [*_broken(inputs)]
        message = f"It holds: {_shown(value)}." if not broken else f"It does not hold: {'; '.join(broken)}."
        return Progress(stage=Stage.COMPLETED, outputs={HOLDS: not broken}, message=message)


def _broken(inputs: Inputs) -> Iterator[str]:
    value = inputs["value"]
    if (least := inputs.get("at_least")) is not None and not value >= least:
        yield f"{_shown(value)} is below {_shown(least)}"
    if (most := inputs.get("at_most")) is not None and not value <= most:
        yield f"{_shown(value)} is above {_shown(most)}"
    if "equals" in inputs and value != inputs["equals"]:
        yield f"{_shown(value)} is not {_shown(inputs['equals'])}"


def _shown(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
