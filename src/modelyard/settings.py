"""Every setting of the product, typed, from MODELYARD_* variables and `config.toml` in the state directory."""

import hashlib
import os
import tempfile
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from modelyard.errors import InvalidInputError
from modelyard.types.processes import EngineKind

_SOCKET_PATH_LIMIT = 100  # a Unix socket path holds 107 bytes; leave room for the file name


class StateDirectoryUnusableError(InvalidInputError):
    """The folders of the state directory cannot be made."""

    code = "state_directory_unusable"


class Settings(BaseSettings):
    """Order of precedence: arguments, MODELYARD_* environment variables, `<home>/config.toml`, defaults."""

    model_config = SettingsConfigDict(env_prefix="MODELYARD_", extra="ignore")

    home: Path = Field(
        default_factory=lambda: Path.home() / ".modelyard",
        description="State directory: database, objects, captures, logs, sockets. One platform per directory.",
    )
    host: str = Field(default="127.0.0.1", description="Address the gateway listens on.")
    port: int = Field(default=8470, ge=0, le=65535, description="Port of the gateway; 0 lets the system choose.")
    grpc_port: int = Field(
        default=0,
        ge=-1,
        le=65535,
        description="Port of the gateway for gRPC, with the extra `grpc`; 0 lets the system choose, -1: no gRPC.",
    )
    gateways: int = Field(
        default=1, ge=1, le=64, description="Gateway processes that share the port, for machines with many cores."
    )
    database_url: str = Field(
        default="",
        description="SQLAlchemy URL, e.g. postgresql://user@host/name. Empty: SQLite in the state directory.",
    )
    objects_url: str = Field(
        default="", description="Object store, e.g. s3://bucket/prefix. Empty: files in the state directory."
    )
    registry_url: str = Field(default="", description="Registry API of another process, for `serve jobs|operations`.")
    jobs_url: str = Field(default="", description="Jobs API of another process, for `serve operations`.")
    operations_url: str = Field(
        default="",
        description="Operations API of another process, for `serve jobs`: steps of pipelines deploy and notify there.",
    )
    service_token: SecretStr = Field(
        default=SecretStr(""), description="Token with which one application calls another over HTTP."
    )
    tls_certificate: Path | None = Field(default=None, description="PEM file; required to listen beyond loopback.")
    tls_key: Path | None = Field(default=None, description="PEM file of the certificate's private key.")
    insecure: bool = Field(default=False, description="Allow listening beyond loopback without TLS.")
    max_upload_bytes: int = Field(default=20 << 30, description="Largest dataset or artifact upload.")
    max_request_bytes: int = Field(default=64 << 20, description="Largest inference request body.")
    max_parallel_jobs: int = Field(
        default_factory=lambda: max(1, os.cpu_count() or 1), description="Training jobs that run at the same time."
    )
    engine: EngineKind = Field(
        default=EngineKind.LOCAL,
        description="Where jobs and replicas run: `local` (sandboxed processes of this machine), `container`, or `ray` "
        "(nodes of a cluster). Images run in containers in any case.",
    )
    ray_address: str = Field(
        default="",
        description="Ray cluster, host:port of its head. Empty: the one that `modelyard cluster start` started.",
    )
    gpus: str = Field(
        default="",
        description="Accelerators of this machine that jobs and replicas may have, by number: 0,1. Empty: all that its "
        "driver shows, or none where a cluster hands them out; `none`: none.",
    )
    node_command: str = Field(
        default="",
        description="Program that starts and ends nodes of a cluster as jobs need them: `PROGRAM start NAME KIND` and "
        "`PROGRAM end NAME KIND`. Empty: nodes come and go by hand only.",
    )
    container_socket: str = Field(
        default="",
        description="API of Docker or Podman: unix:///run/docker.sock. Empty: DOCKER_HOST, or the usual places.",
    )
    container_pull: bool = Field(
        default=True, description="Pull images that are not here; false: only images that are here are run."
    )
    container_pull_seconds: float = Field(default=1800.0, gt=0, description="Pulling one image may take this long.")
    job_memory_bytes: int = Field(default=4 << 30, description="Memory limit of a job that names none.")
    job_time_limit_seconds: float = Field(default=24 * 3600.0, description="Time limit of a job that names none.")
    shared_model_bytes: int = Field(
        default=8 << 20,
        ge=0,
        description="ONNX models whose file is at most this large share worker processes; 0: each has one of its own.",
    )
    shared_worker_bytes: int = Field(
        default=1 << 30,
        gt=0,
        description="Memory of a shared worker; beyond it the models that nobody has asked for longest are unloaded "
        "until somebody does.",
    )
    spare_workers: int = Field(
        default=1,
        ge=0,
        description="Warm worker processes that wait while anything is deployed, about 40 MB each; 0: none.",
    )
    idle_after_hours: float = Field(
        default=0.0,
        ge=0,
        description="Endpoints end their replicas after so many hours without a request, unless their project says "
        "otherwise or they stay warm; the next request brings them back. 0: never.",
    )
    capture_share: float = Field(default=1.0, ge=0, le=1, description="Share of requests captured on new endpoints.")
    capture_retention_days: float = Field(
        default=90.0, gt=0, description="Captured inferences older than this are deleted."
    )
    feedback_pending_hours: float = Field(
        default=24.0,
        gt=0,
        description="Ground truth waits this long for the capture of its inference; then it counts as unknown.",
    )
    cache_retention_days: float = Field(
        default=14.0, gt=0, description="Cached datasets and bundles that nothing has used for this long are deleted."
    )
    reference_hosts: str = Field(
        default="",
        description="Hosts that inference by reference and batch jobs may fetch from: data.example.com,*.example.org. "
        "Empty: none.",
    )
    max_reference_bytes: int = Field(default=64 << 20, description="Largest data of one inference by reference.")
    otlp_endpoint: str = Field(
        default="",
        description="OpenTelemetry collector that gets traces, metrics and logs: http://127.0.0.1:4318. Empty: none.",
    )
    otlp_headers: SecretStr = Field(
        default=SecretStr(""), description="Sent to that collector: name=value, separated by commas."
    )
    otlp_trace_share: float = Field(
        default=0.01, ge=0, le=1, description="Share of the captured inferences that become traces."
    )
    smtp_url: SecretStr = Field(
        default=SecretStr(""),
        description="Mail server for alerts: smtp://user:password@host:587 (STARTTLS where offered) or smtps://host:465.",
    )
    smtp_from: str = Field(default="modelyard@localhost", description="Sender of alerts by mail.")
    experiments: bool = Field(
        default=True,
        description="With the extra `mlflow`: MLflow's server at /mlflow, and a run in it for each job.",
    )
    experiments_idle_seconds: float = Field(
        default=1800.0, gt=0, description="MLflow's server is ended when nobody has asked it for this long."
    )
    s3_url: str = Field(
        default="",
        description="S3 store behind the AWS APIs: the URL of a server, with the two keys below; `off`: none. Empty: "
        "with the extra `aws`, a SeaweedFS of this platform's own, started when the first access key is made.",
    )
    s3_access_key: str = Field(default="", description="Access key of that server, which may make buckets there.")
    s3_secret_key: SecretStr = Field(default=SecretStr(""), description="Secret of that access key.")
    s3_region: str = Field(default="us-east-1", description="Region of that server.")
    multi_model_limit: int = Field(
        default=16,
        ge=1,
        description="Models of a SageMaker multi-model endpoint that are loaded at a time; beyond it the one that was "
        "not used for longest goes.",
    )
    spool_limit_bytes: int = Field(
        default=1 << 30, description="Captures kept on disk while control is down; beyond it the oldest are dropped."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, environment, then `config.toml` of the state directory that those two name."""
        named = {**env_settings(), **init_settings()}.get("home")
        home = Path(named) if named else Path.home() / ".modelyard"
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, home / "config.toml")

    @property
    def layout(self) -> "Home":
        """Paths in the state directory."""
        return Home(self.home)

    @property
    def resolved_database_url(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite:///{self.layout.root / 'modelyard.db'}"

    @property
    def resolved_objects_url(self) -> str:
        """The object store URL in force."""
        return self.objects_url or self.layout.objects.as_uri()


class Home:
    """Where everything lives in the state directory. Creates nothing but on `create`."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()
        self.objects = self.root / "objects"
        self.captures = self.root / "captures"
        self.spool = self.captures / "spool"
        self.logs = self.root / "logs"
        self.cache = self.root / "cache"
        self.environments = self.root / "environments"
        self.backups = self.root / "backups"
        self.run = self.root / "run"
        self.processes = self.run / "processes"
        self.containers = self.run / "containers"
        self.routing = self.run / "routing.json"
        self.gateways = self.run / "gateways"
        self.demand = self.gateways / "demand"
        self.figures = self.gateways / "figures"
        self.rates = self.gateways / "rates"
        self.traffic = self.gateways / "traffic"
        self.cluster = self.run / "cluster"
        self.cluster_token = self.root / "cluster.token"
        self.control_id = self.root / "control.id"
        self.duties = self.run / "duties"
        self.token = self.root / "admin.token"
        self.mask_key = self.root / "mask.key"
        self.signing_key = self.root / "signing.key"
        self.registries = self.root / "registries.json"
        self.buckets = self.root / "buckets"
        self.tracking_database = self.root / "mlflow.db"

    @property
    def sockets(self) -> Path:
        """Folder of Unix sockets; under the temporary folder when the home's path is too long for a socket."""
        preferred = self.run / "sockets"
        if len(os.fsencode(preferred)) <= _SOCKET_PATH_LIMIT - 40:
            return preferred
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"modelyard-{os.getuid()}-{digest}"

    def create(self) -> None:
        """Make the folders, private to the user.

        Raises:
            StateDirectoryUnusableError: they cannot be made: they are another user's, or on a full or read-only disk.
        """
        folders = (self.objects, self.spool, self.logs, self.cache, self.processes, self.sockets)
        try:
            for folder in (self.root, *folders, self.demand, self.figures, self.rates, self.traffic):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise self.unusable(error) from error

    def unusable(self, error: OSError) -> StateDirectoryUnusableError:
        """What to say when something cannot be read or written in it."""
        return StateDirectoryUnusableError(
            f"The state directory {self.root} cannot be used: {error.filename or self.root}: {error.strerror}",
            hint="Make room, give it to this user, or choose another by --home or MODELYARD_HOME: `modelyard doctor`.",
            field="home",
        )
