"""What MLflow's server finds in its variables: where its data lie, and which of its parts are off."""

from urllib.parse import quote

from modelyard.settings import Settings

SCHEMA = "mlflow"
"""Of PostgreSQL, in the platform's database; in SQLite it has a file of its own."""

_PLUGIN = "modelyard"
"""The scheme for which the package's entry points stand."""


def environment(settings: Settings) -> dict[str, str]:
    """The variables. Those that begin with _MLFLOW_SERVER_ are what `mlflow server` sets for its workers."""
    return {
        "_MLFLOW_SERVER_FILE_STORE": database_url(settings),
        "_MLFLOW_SERVER_REGISTRY_STORE": f"{_PLUGIN}://registry",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": f"{_PLUGIN}://objects",
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "MLFLOW_ENABLE_WORKSPACES": "true",
        "MLFLOW_WORKSPACE_STORE_URI": f"{_PLUGIN}://projects",
        "MLFLOW_SERVER_ALLOWED_HOSTS": "*",  # the socket is private; hosts and origins are looked at before it
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_ENABLE_AI_GATEWAY": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_RBAC_SEED_DEFAULT_ROLES": "false",
        "MODELYARD_OBJECTS_URL": settings.resolved_objects_url,
        "MODELYARD_TRACKING_PLATFORM": platform_address(settings),
    }


def database_url(settings: Settings) -> str:
    """Beside our tables, apart from them: a file of its own, or a schema of its own."""
    if not settings.database_url or settings.database_url.startswith("sqlite"):
        return f"sqlite:///{settings.layout.tracking_database}"
    separator = "&" if "?" in settings.database_url else "?"
    options = quote(f"-csearch_path={SCHEMA}")
    url = "postgresql+psycopg://" + settings.database_url.partition("://")[2]
    return f"{url}{separator}options={options}"


def platform_address(settings: Settings) -> str:
    """Where the Registry answers: another process's address, or the socket of control."""
    return settings.registry_url or f"unix://{settings.layout.sockets / 'control.sock'}"
