"""Models, their immutable versions, and everything a version carries."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from modelyard.types.compilation import Compilation
from modelyard.types.signatures import Scalar, Signature


class Task(StrEnum):
    """What a model does: the first word of discovery."""

    IMAGE_CLASSIFICATION = "image-classification"
    TABULAR_CLASSIFICATION = "tabular-classification"
    TABULAR_REGRESSION = "tabular-regression"
    TEXT_CLASSIFICATION = "text-classification"
    FORECASTING = "forecasting"
    OTHER = "other"


class ArtifactFormat(StrEnum):
    """How an artifact is loaded. The first five load without running code from the file; the others are programs."""

    ONNX = "onnx"
    SKOPS = "skops"
    XGBOOST = "xgboost"
    LIGHTGBM = "lightgbm"
    CATBOOST = "catboost"
    GGUF = "gguf"
    SCRIPT = "script"
    MLFLOW = "mlflow"
    HTTP = "http"
    TORCH = "torch"
    TENSORFLOW = "tensorflow"
    IMAGE = "image"
    HANDLERS = "handlers"

    @property
    def runs_code(self) -> bool:
        """True if loading it runs code that came with it: a project must permit that in writing."""
        return self in _PROGRAMS


_PROGRAMS = {
    ArtifactFormat.SCRIPT,
    ArtifactFormat.MLFLOW,
    ArtifactFormat.HTTP,
    ArtifactFormat.TORCH,
    ArtifactFormat.TENSORFLOW,
    ArtifactFormat.IMAGE,
    ArtifactFormat.HANDLERS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A measured figure with its 95 % confidence interval [low, high], over `n` rows of `split`.

    Attributes:
        name: what was measured ("accuracy").
        value: the figure.
        low: lower end of the interval; null when none was computed.
        high: upper end of the interval.
        n: rows that it was measured on.
        split: which rows these were: "holdout", or "train".
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    split: str = "holdout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How the served (converted) form compares with the original. `note` says what differs or why there is none.

    Attributes:
        is_equal: both forms answered alike on every row that was compared.
        rows: rows that were compared.
        label_mismatches: rows on which the labels differ.
        max_abs_difference: largest difference of a number.
        note: a sentence.
    """

    is_equal: bool
    rows: int
    label_mismatches: int
    max_abs_difference: float
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataReference:
    """The data that a version came from, by content.

    Attributes:
        project: project of the dataset.
        dataset: name of the dataset.
        number: number of its version.
        digest: SHA-256 of the version's content, as hex.
        role: what it was used for: "train" unless said otherwise.
    """

    project: str
    dataset: str
    number: int
    digest: str
    role: str = "train"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What a reader must know before using a version. Free fields go into `custom`.

    Attributes:
        task: what it does: "image-classification", "tabular-classification", "tabular-regression",
            "text-classification", "forecasting" or your own word.
        description: what it is, for a reader who does not know it.
        intended_use: what it is meant for.
        limitations: what it is not meant for, and where it is known to be weak.
        licence: under which terms it may be used.
        algorithm: what trained it.
        hyperparameters: with which settings.
        metrics: how good it is; the figures of the split "holdout" are what discovery compares.
        training_data: the dataset versions that it was trained on.
        findings: what training noticed about the data ("12 rows without a target were left out").
        parity: how the served form compares with the original, for an artifact that was converted.
        compilation: the forms of the model that were tried, measured at registration; kept in `compilation.json`.
        tags: words to find it by.
        custom: anything else, as name and value.
    """

    task: str
    description: str = ""
    intended_use: str = ""
    limitations: str = ""
    licence: str = ""
    algorithm: str = ""
    hyperparameters: dict[str, Scalar] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = ()
    training_data: tuple[DataReference, ...] = ()
    findings: tuple[str, ...] = ()
    parity: Parity | None = None
    compilation: Compilation | None = None
    tags: tuple[str, ...] = ()
    custom: dict[str, Scalar] = field(default_factory=dict)

    def metric(self, name: str) -> Metric | None:
        """The held-out metric of that name, if it was measured."""
        return next((m for m in self.metrics if m.name == name and m.split == "holdout"), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleFile:
    """One file of a version, addressed by its content."""

    path: str
    digest: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Where a version came from; `parent` is the version number that it was retrained from.

    Attributes:
        job: id of the job that made it; null for a version from elsewhere.
        datasets: the dataset versions that it was made from.
        parent: number of the version that it was retrained from.
        created_by: name of the token that registered it.
        code: SHA-256 of the snapshot of code that made it, if that was a script.
        environment: SHA-256 of the lock of the packages that the script ran with.
        image: the image that made it, by its digest.
    """

    job: str | None = None
    datasets: tuple[DataReference, ...] = ()
    parent: int | None = None
    created_by: str = ""
    code: str = ""
    environment: str = ""
    image: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """`manifest.json` of a bundle: a folder that is a complete model version.

    Fixed file names in a bundle: `manifest.json`, the artifact (`artifact`), `golden.json` (GoldenSet),
    `reference.json` (drift reference sketch), `background.json` (rows to explain against), `environment.lock`;
    `original.<ext>` when the artifact was converted; `compilation.json` (Compilation), which names the variant that
    workers load, when it is not the artifact.

    Attributes:
        artifact: file name of the artifact in the bundle.
        artifact_format: its format.
        signature: inputs that it takes and outputs that it gives.
        card: what a reader must know.
        is_pure: equal inputs give equal outputs and nothing else happens, so that a request may be sent twice.
    """

    artifact: str
    artifact_format: ArtifactFormat
    signature: Signature
    card: ModelCard
    is_pure: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A recorded judgement on a version (a promotion gate, a review): its verdict with its numbers."""

    name: str
    is_passed: bool
    reason: str
    figures: dict[str, float] = field(default_factory=dict)
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A named line of versions. `version` is the ETag, `latest` the newest version number."""

    project: str
    name: str
    description: str
    tags: tuple[str, ...]
    latest: int | None
    aliases: dict[str, int]
    created_at: datetime
    updated_at: datetime
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """Immutable but for its evaluations and deployments, which only grow."""

    project: str
    model: str
    number: int
    digest: str
    size_bytes: int
    manifest: Manifest
    files: tuple[BundleFile, ...]
    lineage: Lineage
    aliases: tuple[str, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    endpoints: tuple[str, ...] = ()
    created_at: datetime

    @property
    def ref(self) -> str:
        """`name:number`."""
        return f"{self.model}:{self.number}"


class LineageKind(StrEnum):
    """What a node stands for."""

    DATASET = "dataset"
    JOB = "job"
    MODEL_VERSION = "model-version"
    ENDPOINT = "endpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageNode:
    """One thing. `id` is unique in the graph ("dataset:digits:1"); `digest` is that of its content, if it has one."""

    id: str
    kind: LineageKind
    name: str
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageEdge:
    """`target` came from `source`, or serves it."""

    source: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageGraph:
    """Everything around the version `root`: data and job that made it, its ancestors and children, its endpoints."""

    root: str
    nodes: tuple[LineageNode, ...]
    edges: tuple[LineageEdge, ...]
