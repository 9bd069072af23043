"""Whether it is a step's turn, once all that it waits for has ended. Pure."""

from collections.abc import Mapping

from modelyard.control.pipelines.definition.ordering import before
from modelyard.types.pipelines.definitions import RunIf, StepDefinition
from modelyard.types.pipelines.runs import StepState, StepStatus

HOLDS = "holds"
_WORDS = {StepStatus.FAILED: "failed", StepStatus.SKIPPED: "was skipped", StepStatus.STOPPED: "was stopped"}


def is_due(name: str, step: StepDefinition, states: Mapping[str, StepState]) -> bool:
    """Whether everything that a step waits for has ended."""
    return all(states[other].status.is_final for other in before(name, step))


def reason_to_skip(name: str, step: StepDefinition, states: Mapping[str, StepState]) -> str:
    """Why a step that is due does not run; "" if it does."""
    for word, conditions, wanted in (("does not hold", step.when, True), ("holds", step.unless, False)):
        for condition in conditions:
            state = states[condition]
            if not state.status.has_outputs:
                return f"condition '{condition}' {_WORDS[state.status]}"
            if state.outputs.get(HOLDS) is not wanted:
                return f"condition '{condition}' {word}"
    others = [states[other] for other in before(name, step)]
    if step.run_if is RunIf.FAILED and not any(other.status is StepStatus.FAILED for other in others):
        return "no step before it failed"
    missing = next((other for other in others if not other.status.has_outputs), None)
    if step.run_if is RunIf.COMPLETED and missing is not None:
        return f"step '{missing.name}' {_WORDS[missing.status]}"
    return ""
