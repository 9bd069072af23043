"""What a job of somebody's own code runs, and what it leaves behind."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricDefinition:
    """A metric that is read from the job's output: the first group of `regex` (RE2 syntax) is its value."""

    name: str
    regex: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRef:
    """Data that is no dataset version: an object of the platform's store, or an address. One of the two is set.

    `format` is "csv" or "parquet", where the name does not say it.
    """

    object: str | None = None
    url: str | None = None
    format: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptRecipe:
    """The program of a script or processing job: a snapshot of code with an entry point, or an image with a command.

    Hyper-parameters, channels and the seed stand in the job's recipe, as for every job.

    Attributes:
        code: SHA-256 of the snapshot; its files are the job's current folder.
        entry_point: the Python file of the snapshot that is run.
        image: reference of the image that is run instead, as it was named.
        image_digest: what that reference meant when the job was submitted, by its content.
        command: program and arguments in the image; empty: what the image says.
        arguments: handed to the entry point behind the hyper-parameters.
        requirements: packages that the script needs, as in a requirements file; empty: it runs with the platform's own.
        environment: SHA-256 of the lock that came of the requirements; empty until the job has started once.
        metrics: what to read from the output beside `modelyard.log_metric`.
        dataset: dataset that gets the one file of the output folder as its next version.
        hosts: so many processes that work together, started all or none.
        is_distributed: each of them on a machine of its own; otherwise they share a sandbox on one.
        sources: input data by role that is no dataset version.
        outputs: output -> dataset that gets the one file of that output's folder as its next version; all or none.
        environment_name: environment that was named in place of requirements.
        retries: how often it is begun again after it has failed by itself.
        python: version of Python that it runs with, such as "3.12"; empty: the platform's.
    """

    code: str = ""
    entry_point: str = ""
    image: str = ""
    image_digest: str = ""
    command: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    requirements: str = ""
    environment: str = ""
    metrics: tuple[MetricDefinition, ...] = ()
    dataset: str | None = None
    hosts: int = 1
    is_distributed: bool = False
    sources: dict[str, SourceRef] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    environment_name: str = ""
    retries: int = 0
    python: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A copy of some code: a zip file, by the SHA-256 of its content."""

    digest: str
    size_bytes: int
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFile:
    """A file that a job has left: its path begins with the folder it was written to, "output" or "model".

    `digest` is the SHA-256 of its content.
    """

    path: str
    size_bytes: int
    digest: str
