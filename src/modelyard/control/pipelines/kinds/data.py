"""Steps that pin a dataset version, so that all that follows means the same rows."""

from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.pipelines.job_kinds.inputs import channel
from modelyard.control.pipelines.kinds.base import Immediate, Inputs, Progress, Stage, StepContext
from modelyard.types.pipelines.definitions import InputSpec, KindDescription, OutputSpec, ValueType


class DatasetStep(Immediate):
    """Looks a dataset version up, and checks that it has rows enough."""

    description = KindDescription(
        name="dataset",
        description="Finds a dataset version, the newest if no number is named; the steps behind it see that one.",
        inputs=(
            InputSpec(name="dataset", type=ValueType.DATASET, description="NAME or NAME:NUMBER.", is_required=True),
            InputSpec(name="minimum_rows", type=ValueType.INTEGER, description="With fewer the step fails."),
        ),
        outputs=(
            OutputSpec(name="dataset", type=ValueType.DATASET, description="The version, with its number."),
            OutputSpec(name="rows", type=ValueType.INTEGER, description="How many it has."),
            OutputSpec(name="digest", type=ValueType.TEXT, description="SHA-256 of its content."),
        ),
    )

    def __init__(self, registry: RegistryClient) -> None:
        self._registry = registry

    def begin(self, context: StepContext, inputs: Inputs) -> Progress:
        """See StepKind."""
        wanted = channel(inputs["dataset"])
        number = wanted.get("number")
        found = self._registry.dataset_version(
            context.project, str(wanted["dataset"]), number if isinstance(number, int) else None
        )
        ref = f"{found.dataset}:{found.number}"
        outputs = {"dataset": ref, "rows": found.schema.rows, "digest": found.digest}
        least = inputs.get("minimum_rows") or 0
        if found.schema.rows < least:
            message = f"{ref} has {found.schema.rows:,} rows; {least:,} are needed."
            return Progress(stage=Stage.FAILED, message=message, is_permanent=True)
        return Progress(stage=Stage.COMPLETED, outputs=outputs, message=f"{ref} has {found.schema.rows:,} rows.")
