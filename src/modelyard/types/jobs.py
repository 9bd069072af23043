"""Jobs: work that ends. Training, evaluation, replay, batch inference and people's own code are kinds of one record."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from modelyard.types.automl.recipes import AutoMLRecipe
from modelyard.types.batch.recipes import BatchRecipe, JobProgress
from modelyard.types.compute.scheduling import Schedule
from modelyard.types.contract.recipes import ContractRecipe, Phase
from modelyard.types.debugging.rules import Finding, RuleChoice
from modelyard.types.processes import EndCause, Resources, SandboxLevel
from modelyard.types.scripting.conditions import Conditions
from modelyard.types.scripting.recipes import ScriptRecipe
from modelyard.types.signatures import Scalar
from modelyard.types.tuning.generations import Generation


class JobKind(StrEnum):
    """What a job does. A trial trains like a training job, for a tuning job, and registers nothing."""

    TRAINING = "training"
    EVALUATION = "evaluation"
    REPLAY = "replay"
    BATCH = "batch"
    TRIAL = "trial"
    SCRIPT = "script"
    CONTRACT = "contract"
    AUTOML = "automl"
    PROCESSING = "processing"


REPEATABLE = (JobKind.TRAINING, JobKind.SCRIPT, JobKind.PROCESSING)
"""Jobs that can be run again from their records."""


class JobStatus(StrEnum):
    """PENDING (accepted, waiting), STARTING, RUNNING (its process is proven alive), STOPPING, then one of three."""

    PENDING = "PENDING"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"

    @property
    def is_final(self) -> bool:
        """True for COMPLETED, FAILED and STOPPED."""
        return self in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.STOPPED)


class HyperparameterType(StrEnum):
    """Types of hyper-parameters."""

    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    STRING = "string"
    INTEGERS = "integers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperparameter:
    """One hyper-parameter of an algorithm. INTEGERS is written as "128,64"."""

    name: str
    type: HyperparameterType
    default: Scalar
    description: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AlgorithmDescription:
    """What an algorithm takes and measures.

    Attributes:
        is_resumable: a training that was interrupted goes on from its checkpoint, to the same model.
    """

    name: str
    task: str
    description: str
    input_formats: tuple[str, ...]
    hyperparameters: tuple[Hyperparameter, ...]
    metrics: tuple[str, ...]
    objective: str
    is_objective_maximised: bool = True
    is_resumable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRef:
    """A dataset version by name; `number` None means the newest at submission time."""

    dataset: str
    number: int | None = None


SLICE_BOUND = "slice_bound"
"""Hyper-parameter of evaluation jobs: in one slice of the data, a loss up to this is none (0.05 if left out)."""


OUTPUT_BYTES = "output_bytes"
"""In the result of a script or processing job: what the files that it has left take in the object store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecipe:
    """Everything that defines what a job computes: the same recipe on the same data gives the same model.

    Attributes:
        algorithm: name of a built-in algorithm ("image-classification"); "evaluation", "replay", "batch", "script",
            "processing" or "automl" for such jobs.
        hyperparameters: overrides of the algorithm's defaults; for evaluation jobs SLICE_BOUND.
        channels: role -> dataset ("train" for training; any roles for evaluation; "requests" for replay; "input" for
            batch, unless that reads an object or an address).
        target: name of the target column for tables.
        seed: seeds every random choice.
        candidates: model version refs ("digits:2") to be judged on every channel; for a replay the running version and
            the one that wants to run; for batch the version that answers.
        batch: for batch jobs only.
        is_trial: it is measured on rows between those that train and those that are held out, so that the choice among
            many trials cannot wear out the rows that judge the chosen one.
        script: for script and processing jobs only.
        contract: for training jobs of the container contract only.
        automl: for AutoML jobs only.
        generation: for trials of a population only.
    """

    algorithm: str
    hyperparameters: dict[str, Scalar] = field(default_factory=dict)
    channels: dict[str, DatasetRef] = field(default_factory=dict)
    target: str | None = None
    seed: int = 0
    candidates: tuple[str, ...] = ()
    batch: BatchRecipe | None = None
    is_trial: bool = False
    script: ScriptRecipe | None = None
    contract: ContractRecipe | None = None
    automl: AutoMLRecipe | None = None
    generation: Generation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPoint:
    """One logged value."""

    name: str
    value: float
    step: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JobMember:
    """How a member of a gang on several machines ended, and what it has used; None: nobody measured it."""

    rank: int
    host: str
    cause: EndCause
    message: str
    cpu_seconds: float | None = None
    memory_byte_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnd:
    """How a job ended: the cause and a sentence; the last lines of output when it failed.

    Attributes:
        members: of a gang on several machines, by rank.
    """

    cause: EndCause
    message: str
    exit_code: int | None = None
    log_tail: str = ""
    members: tuple[JobMember, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as the API shows it.

    `result` holds what it made: {"model_version": "digits:1"} or evaluation figures. `progress` is told by batch jobs
    that have begun to answer. `control` names the control process beside which it runs, where several work on one
    database. `schedule` says where it stands while it has not ended. `rerun_of` names the job that it repeats.
    `phases` is what a job of the container contract has been busy with.
    `rules` says how rules on its live figures are applied where not as usual, `findings` what they have found.
    `conditions` is what its present attempt runs on.
    """

    project: str
    id: str
    kind: JobKind
    status: JobStatus
    recipe: JobRecipe
    resources: Resources
    model: str | None
    attempt: int
    sandbox: SandboxLevel | None
    metrics: dict[str, float] = field(default_factory=dict)
    progress: JobProgress | None = None
    result: dict[str, str | float] = field(default_factory=dict)
    end: JobEnd | None = None
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    created_by: str = ""
    version: int = 1
    control: str = ""
    schedule: Schedule | None = None
    rerun_of: str = ""
    phases: tuple[Phase, ...] = ()
    rules: tuple[RuleChoice, ...] = ()
    findings: tuple[Finding, ...] = ()
    conditions: Conditions | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Packages that jobs and replicas run with.

    Attributes:
        digest: SHA-256 of `lock`; None: its versions are not locked yet.
        packages: sorted `name==version` lines.
        requirements: what it was made from; empty for one that was made from a lock.
        lock: exact versions with hashes; left out of lists.
    """

    name: str
    digest: str | None
    python: str
    packages: tuple[str, ...]
    description: str = ""
    requirements: str = ""
    lock: str = ""
