"""Request bodies of the Jobs API."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from modelyard.control.jobs.debugging.schemas import Rules
from modelyard.types.compute.scheduling import DEFAULT_QUEUE, Placement
from modelyard.types.debugging.rules import RuleChoice
from modelyard.types.jobs import SLICE_BOUND, DatasetRef, JobRecipe
from modelyard.types.processes import NodeChoice, Resources
from modelyard.types.signatures import Scalar


class ChannelRequest(BaseModel):
    """A dataset version; leave `number` out for the newest."""

    model_config = ConfigDict(extra="forbid")

    dataset: str = Field(description="Name of the dataset.", examples=["digits"])
    number: int | None = Field(default=None, ge=1, description="Version number; the newest if left out.")

    def ref(self) -> DatasetRef:
        """As plain data."""
        return DatasetRef(dataset=self.dataset, number=self.number)


class ResourcesRequest(BaseModel):
    """Limits of a job's process tree; what is left out takes the platform's default."""

    model_config = ConfigDict(extra="forbid")

    cpus: float | None = Field(default=None, gt=0, description="Cores, and threads that the algorithm uses.")
    memory_bytes: int | None = Field(default=None, ge=64 << 20, description="Memory; beyond it the job is ended.")
    disk_bytes: int | None = Field(default=None, ge=1 << 20, description="Size of the job's working folder.")
    time_limit_seconds: float | None = Field(default=None, gt=0, description="Time after which the job is ended.")
    gpus: float = Field(
        default=0, ge=0, description="Accelerators that the job has for itself; less than 1: its part of one."
    )
    gpu_kind: str = Field(default="", max_length=63, description="What they must be.", examples=["A100"])
    gpu_memory_bytes: int | None = Field(default=None, ge=0, description="Memory that each of them must have.")
    node_labels: dict[str, str] = Field(
        default_factory=dict, description="Labels that its machine must carry; on a cluster only.", max_length=16
    )
    placement: NodeChoice = Field(
        default=NodeChoice.ANY,
        description="On a cluster: which of the machines that could run it. ANY and PACK: the fullest one with room, "
        "so that large places stay whole; SPREAD: the emptiest; SAME_NODE: one for all processes of the job.",
    )


class PlacementRequest(BaseModel):
    """When and where a job may start."""

    model_config = ConfigDict(extra="forbid")

    queue: str = Field(default=DEFAULT_QUEUE, max_length=63, description="Queue in which it waits.")
    priority: int = Field(default=0, ge=-10, le=10, description="Added to the priority of its queue.")
    spot: bool = Field(default=False, description="It costs less, makes room for others and is started again later.")
    hold: bool = Field(default=False, description="It keeps its place and does not start until it is released.")
    start_before: AwareDatetime | None = Field(
        default=None, description="Flex start: it ends without having run if there was no capacity by then."
    )
    reservation: str | None = Field(default=None, max_length=40, description="Run on this reserved capacity only.")
    gpus: float = Field(default=0, ge=0, description="GPUs that are reserved for it, if more than in `resources`.")


class LimitedRequest(BaseModel):
    """What all jobs have in common."""

    model_config = ConfigDict(extra="forbid")

    resources: ResourcesRequest = Field(default_factory=ResourcesRequest, description="Limits of the job's process.")
    schedule: PlacementRequest = Field(default_factory=PlacementRequest, description="When and where it may start.")

    def placement(self) -> Placement:
        """As plain data. Memory is reserved as far as it was asked for by name."""
        wanted = self.schedule
        return Placement(
            queue=wanted.queue,
            priority=wanted.priority,
            is_spot=wanted.spot,
            is_held=wanted.hold,
            start_before=wanted.start_before,
            reservation=wanted.reservation,
            memory_bytes=self.resources.memory_bytes,
            gpus=wanted.gpus,
        )

    def limits(self, memory_bytes: int, time_limit_seconds: float) -> Resources:
        """Resources with the platform's defaults filled in."""
        wanted = self.resources
        return Resources(
            cpus=wanted.cpus or 1.0,
            memory_bytes=wanted.memory_bytes or memory_bytes,
            disk_bytes=wanted.disk_bytes,
            time_limit_seconds=wanted.time_limit_seconds or time_limit_seconds,
            gpus=wanted.gpus,
            gpu_kind=wanted.gpu_kind,
            gpu_memory_bytes=wanted.gpu_memory_bytes,
            node_labels=wanted.node_labels,
            placement=wanted.placement,
        )


class RuledRequest(LimitedRequest):
    """What jobs that learn something have in common."""

    rules: Rules = Field(default_factory=list)

    def rule_choices(self) -> tuple[RuleChoice, ...]:
        """As plain data."""
        return tuple(rule.choice() for rule in self.rules)


class JobRequest(LimitedRequest):
    """What jobs over datasets by role have in common."""

    channels: dict[str, ChannelRequest] = Field(description="Input data by role.", min_length=1)
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="Seeds every random choice.")


class TrainingJobRequest(JobRequest, RuledRequest):
    """Train a built-in algorithm and register what it makes as the next version of `model`."""

    algorithm: str = Field(description="Name of a built-in algorithm.", examples=["image-classification"])
    model: str = Field(description="Model that gets the new version; made if absent.", examples=["digits"])
    hyperparameters: dict[str, Scalar] = Field(
        default_factory=dict, description="Overrides of the algorithm's defaults.", examples=[{"epochs": 20}]
    )
    target: str | None = Field(default=None, description="Column to predict, for tables.")

    def recipe(self) -> JobRecipe:
        """As plain data."""
        return JobRecipe(
            algorithm=self.algorithm,
            hyperparameters=self.hyperparameters,
            channels={role: channel.ref() for role, channel in self.channels.items()},
            target=self.target,
            seed=self.seed,
        )


class EvaluationJobRequest(JobRequest):
    """Measure model versions on the held-out rows of every channel."""

    candidates: Annotated[list[str], Field(min_length=1, max_length=16)] = Field(
        description='Model versions to judge, such as "digits:2".', examples=[["digits:1", "digits:2"]]
    )
    target: str | None = Field(default=None, description="Column that holds the truth, for tables.")
    slice_bound: float = Field(
        default=0.05, ge=0, le=1, description="In one slice of the data the second candidate may be worse by this much."
    )

    def recipe(self) -> JobRecipe:
        """As plain data."""
        return JobRecipe(
            algorithm="evaluation",
            hyperparameters={SLICE_BOUND: self.slice_bound},
            channels={role: channel.ref() for role, channel in self.channels.items()},
            target=self.target,
            seed=self.seed,
            candidates=tuple(self.candidates),
        )


class ReplayJobRequest(JobRequest):
    """Send captured requests to two model versions, and compare answers, failures and time."""

    candidates: Annotated[list[str], Field(min_length=2, max_length=2)] = Field(
        description="The running model version, then the one to be compared with it.",
        examples=[["digits:1", "digits:2"]],
    )

    def recipe(self) -> JobRecipe:
        """As plain data."""
        return JobRecipe(
            algorithm="replay",
            channels={role: channel.ref() for role, channel in self.channels.items()},
            seed=self.seed,
            candidates=tuple(self.candidates),
        )
