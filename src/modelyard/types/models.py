"""Models, their immutable versions, and everything a version carries."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from modelyard.types.signatures import Scalar, Signature


class Task(StrEnum):
    """What a model does: the first word of discovery."""

    IMAGE_CLASSIFICATION = "image-classification"
    TABULAR_CLASSIFICATION = "tabular-classification"
    TABULAR_REGRESSION = "tabular-regression"
    OTHER = "other"


class ArtifactFormat(StrEnum):
    """Formats that load without running code from the file."""

    ONNX = "onnx"
    SKOPS = "skops"
    XGBOOST = "xgboost"
    LIGHTGBM = "lightgbm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A measured figure with its 95 % confidence interval [low, high], over `n` rows of `split`."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    split: str = "holdout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How the served (converted) form compares with the original. `note` says what differs or why there is none."""

    is_equal: bool
    rows: int
    label_mismatches: int
    max_abs_difference: float
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataReference:
    """The data that a version came from, by content."""

    project: str
    dataset: str
    number: int
    digest: str
    role: str = "train"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What a reader must know before using a version. Free fields go into `custom`."""

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
    """Where a version came from; `parent` is the version number that it was retrained from."""

    job: str | None = None
    datasets: tuple[DataReference, ...] = ()
    parent: int | None = None
    created_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """`manifest.json` of a bundle: a folder that is a complete model version.

    Fixed file names in a bundle: `manifest.json`, the artifact (`artifact`), `golden.json` (GoldenSet),
    `reference.json` (drift reference sketch), `environment.lock`; `original.<ext>` when the artifact was converted.
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
