"""What a training job of the container contract runs: an algorithm, a script or an image, on the folders of /opt/ml.

Source: docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html, API_CreateTrainingJob.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from modelyard.types.scripting.recipes import MetricDefinition


class InputMode(StrEnum):
    """How a channel reaches the program. FAST_FILE looks like FILE; PIPE is a FIFO for each epoch."""

    FILE = "File"
    FAST_FILE = "FastFile"
    PIPE = "Pipe"


class ChannelSource(StrEnum):
    """What the address of a channel names: all objects below it, a list of them, or records with labels."""

    PREFIX = "S3Prefix"
    MANIFEST = "ManifestFile"
    AUGMENTED_MANIFEST = "AugmentedManifestFile"


class PhaseName(StrEnum):
    """What a job of the contract is busy with. INTERRUPTED: it made room for others and waits."""

    STARTING = "Starting"
    DOWNLOADING = "Downloading"
    TRAINING = "Training"
    UPLOADING = "Uploading"
    INTERRUPTED = "Interrupted"
    STOPPING = "Stopping"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """Something that a job was busy with, until the next one began or the job ended."""

    name: PhaseName
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractChannel:
    """Input data under a name.

    Attributes:
        name: of the folder below /opt/ml/input/data.
        uri: where the objects are, `s3://bucket/prefix`.
        source: what the address names.
        attributes: of an augmented manifest, in the order in which the program gets them.
        is_sharded: each host gets its part of the objects, by their keys; else each gets all.
        is_compressed: objects are gzip files that the program gets unpacked.
        shuffle_seed: reorders the objects (or the lines of a manifest) before each epoch; None keeps their order.
    """

    name: str
    uri: str
    source: ChannelSource = ChannelSource.PREFIX
    mode: InputMode = InputMode.FILE
    content_type: str = ""
    record_wrapper: str = "None"
    attributes: tuple[str, ...] = ()
    is_sharded: bool = False
    is_compressed: bool = False
    shuffle_seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractRecipe:
    """The program of such a job, its data and where its results go.

    Attributes:
        name: of the job, as its program and the keys of its results have it.
        arn: its name in AWS's form, for the program's environment.
        region: told to the program.
        image: reference of the image, as it was named.
        algorithm: built-in algorithm that runs in place of the image; empty: it is a script's or the image's own.
        is_script: the image is one of those that run a script (`sagemaker_program`); the platform's own Python does.
        image_digest: what the image's reference meant at the beginning, where the image itself is run.
        entry_point: program in place of the image's own `train`.
        arguments: of that program, or of the image.
        hyperparameters: all values are texts.
        environment: variables of the program, beside those of the contract.
        output_uri: `<output_uri>/<name>/output/model.tar.gz` is the model.
        is_output_compressed: else its files are kept one by one.
        checkpoint_uri: kept equal to the folder of checkpoints; empty: checkpoints live as long as the job.
        checkpoint_path: that folder, as the program sees it.
        hosts: so many processes that reach each other by the names algo-1, algo-2, ...
        instance_type: told to the program.
        instance_group: name of the group of its hosts.
        metrics: read from the output by patterns.
        environment_lock: SHA-256 of the lock of the script's requirements; empty until it has started once.
    """

    name: str
    output_uri: str
    arn: str = ""
    region: str = ""
    image: str = ""
    algorithm: str = ""
    is_script: bool = False
    image_digest: str = ""
    entry_point: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    hyperparameters: dict[str, str] = field(default_factory=dict)
    channels: tuple[ContractChannel, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    is_output_compressed: bool = True
    checkpoint_uri: str = ""
    checkpoint_path: str = "/opt/ml/checkpoints"
    hosts: int = 1
    instance_type: str = "ml.m5.large"
    instance_group: str = "homogeneousCluster"
    metrics: tuple[MetricDefinition, ...] = ()
    environment_lock: str = ""

    @property
    def host_names(self) -> tuple[str, ...]:
        """algo-1, algo-2, ..."""
        return tuple(f"algo-{number}" for number in range(1, self.hosts + 1))
