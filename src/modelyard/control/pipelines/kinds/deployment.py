"""Steps that serve a model version at an endpoint."""

from collections.abc import Callable

from modelyard.control.clients.contracts import OperationsClient
from modelyard.control.pipelines.kinds.base import Inputs, Progress, Stage, StepContext
from modelyard.types.endpoints import Endpoint, EndpointStatus, RolloutStatus
from modelyard.types.pipelines.definitions import InputSpec, KindDescription, OutputSpec, ValueType

_SERVES = (EndpointStatus.READY, EndpointStatus.IDLE)
_FAILED = (EndpointStatus.FAILED, EndpointStatus.STOPPED, EndpointStatus.DELETING)


class DeployStep:
    """Makes an endpoint or rolls it out, and waits until the version has the traffic."""

    description = KindDescription(
        name="deploy",
        description="Serves a model version at an endpoint, and waits until it has proven itself and has the traffic.",
        inputs=(
            InputSpec(name="endpoint", type=ValueType.TEXT, description="Made if absent.", is_required=True),
            InputSpec(name="model", type=ValueType.MODEL, description="The version.", is_required=True),
            InputSpec(name="replicas", type=ValueType.INTEGER, description="Worker processes; 1 if left out."),
            InputSpec(
                name="rollout",
                type=ValueType.MAPPING,
                description="How it takes over from what is served: {strategy: canary, share: 0.1, ...}.",
            ),
        ),
        outputs=(
            OutputSpec(name="endpoint", type=ValueType.TEXT, description="Its name."),
            OutputSpec(name="url", type=ValueType.TEXT, description="Its address, relative to the platform's."),
        ),
        needs_operator=True,
    )

    def __init__(self, operations: Callable[[], OperationsClient]) -> None:
        self._operations = operations

    def begin(self, context: StepContext, inputs: Inputs) -> Progress:
        """See StepKind."""
        endpoint = self._operations().deploy(
            context.project,
            inputs["endpoint"],
            inputs["model"],
            replicas=inputs.get("replicas") or 1,
            rollout=inputs.get("rollout"),
            idempotency_key=context.key,
        )
        return _progress(endpoint, inputs["model"])

    def look(self, context: StepContext, inputs: Inputs, handle: str) -> Progress:
        """See StepKind."""
        return _progress(self._operations().endpoint(context.project, handle), inputs["model"])

    def stop(self, _context: StepContext, _handle: str) -> bool:
        """A rollout under way goes on: it has rules of its own, and going back is a decision of its own."""
        return False


def _progress(endpoint: Endpoint, ref: str) -> Progress:
    name, rollout = endpoint.name, endpoint.rollout
    if rollout is not None and rollout.status is RolloutStatus.RUNNING:
        return Progress(stage=Stage.RUNNING, handle=name, message=rollout.reason or f"{ref} is being rolled out.")
    if endpoint.status in _FAILED:
        message = f"Endpoint '{name}' is {endpoint.status}: {endpoint.reason}"
        return Progress(stage=Stage.FAILED, handle=name, message=message)
    if ref not in [f"{variant.model}:{variant.number}" for variant in endpoint.variants]:
        told = rollout.reason if rollout is not None else "another version was deployed meanwhile"
        message = f"Endpoint '{name}' does not serve {ref}: {told}"
        return Progress(stage=Stage.FAILED, handle=name, message=message)
    if endpoint.status not in _SERVES:
        return Progress(stage=Stage.RUNNING, handle=name, message=endpoint.reason or f"It is {endpoint.status}.")
    outputs = {"endpoint": name, "url": endpoint.url}
    return Progress(stage=Stage.COMPLETED, handle=name, outputs=outputs, message=f"'{name}' serves {ref}.")
