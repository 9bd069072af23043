"""Steps that wait for a person."""

from collections.abc import Callable
from contextlib import suppress

from modelyard.control.clients.contracts import OperationsClient
from modelyard.control.pipelines.errors import OperationsMissingError
from modelyard.control.pipelines.kinds.base import Inputs, Progress, Stage, StepContext
from modelyard.control.pipelines.kinds.notice import announce
from modelyard.types.pipelines.definitions import InputSpec, KindDescription, OutputSpec, ValueType


class ApproveStep:
    """Goes on when an operator approves, fails when he rejects.

    Args:
        operations: through which people are told that it waits.
    """

    description = KindDescription(
        name="approve",
        description="Waits until an operator approves or rejects.",
        inputs=(
            InputSpec(name="question", type=ValueType.TEXT, description="What is to be decided.", is_required=True),
            InputSpec(name="show", type=ValueType.MAPPING, description="What whoever decides should see."),
        ),
        outputs=(
            OutputSpec(name="by", type=ValueType.TEXT, description="Who approved."),
            OutputSpec(name="comment", type=ValueType.TEXT, description="What he said."),
        ),
    )

    def __init__(self, operations: Callable[[], OperationsClient]) -> None:
        self._operations = operations

    def begin(self, context: StepContext, inputs: Inputs) -> Progress:
        """See StepKind."""
        with suppress(OperationsMissingError):  # nobody can be told then; the run shows that it waits
            announce(self._operations(), context, "pipeline_approval_wanted", inputs["question"])
        return self.look(context, inputs, "")

    def look(self, context: StepContext, inputs: Inputs, _handle: str) -> Progress:
        """See StepKind."""
        decision = context.decision
        if decision is None:
            return Progress(stage=Stage.WAITING, message=inputs["question"])
        said = f": {decision.comment}" if decision.comment else "."
        if not decision.is_approved:
            return Progress(stage=Stage.FAILED, message=f"{decision.by} rejected it{said}", is_permanent=True)
        outputs = {"by": decision.by, "comment": decision.comment}
        return Progress(stage=Stage.COMPLETED, outputs=outputs, message=f"{decision.by} approved it{said}")

    def stop(self, _context: StepContext, _handle: str) -> bool:
        """Nothing runs."""
        return False
