"""Steps that tell people something: an event, which goes to every alert channel that takes it."""

from collections.abc import Callable

from modelyard.control.clients.contracts import OperationsClient
from modelyard.control.pipelines.kinds.base import Immediate, Inputs, Progress, Stage, StepContext
from modelyard.types.pipelines.definitions import InputSpec, KindDescription, ValueType


class NotifyStep(Immediate):
    """Makes an event of the kind `pipeline_notice`."""

    description = KindDescription(
        name="notify",
        description="Makes an event `pipeline_notice`; alert channels that subscribe to it send it on.",
        inputs=(InputSpec(name="message", type=ValueType.TEXT, description="What is told.", is_required=True),),
        outputs=(),
        needs_operator=True,
    )

    def __init__(self, operations: Callable[[], OperationsClient]) -> None:
        self._operations = operations

    def begin(self, context: StepContext, inputs: Inputs) -> Progress:
        """See StepKind."""
        announce(self._operations(), context, "pipeline_notice", inputs["message"])
        return Progress(stage=Stage.COMPLETED, message="It was told.")


def announce(operations: OperationsClient, context: StepContext, kind: str, message: str) -> None:
    """Make an event of a step, once."""
    operations.announce(
        context.project,
        f"pipeline/{context.pipeline}",
        kind,
        message,
        {"run": context.run, "step": context.step},
        idempotency_key=context.key,
    )
