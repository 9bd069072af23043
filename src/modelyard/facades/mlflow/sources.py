"""Where the files of a model lie that is to be registered: in the caller's own workspace, and nowhere else."""

from pathlib import Path
from urllib.parse import unquote, urlparse

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.store.artifact.utils.models import _parse_model_id_if_present

from modelyard.errors import InvalidInputError

_SCHEME = "mlflow-artifacts"


def run_of(source: str) -> str | None:
    """The run that logged the model `models:/m-...`: MLflow's client leaves it to the registry to look."""
    from mlflow.server import handlers  # noqa: PLC0415 - which loads the plug-ins while it is imported itself

    model_id = _parse_model_id_if_present(source)
    if model_id is None:
        return None
    run: str | None = handlers._get_tracking_store().get_logged_model(model_id).source_run_id  # noqa: SLF001
    return run


def location_of(source: str) -> str:
    """The address of the artifacts that `source` means: `models:/m-...`, `runs:/<run>/<path>` or such an address.

    Raises:
        MlflowException: it is of another kind; the server reads nothing from elsewhere for anybody.
    """
    from mlflow.server import handlers  # noqa: PLC0415 - which loads the plug-ins while it is imported itself

    store = handlers._get_tracking_store()  # noqa: SLF001 - MLflow's own handlers do it so
    parsed = urlparse(source)
    if parsed.scheme == "models" and (model_id := _parse_model_id_if_present(source)):
        source = store.get_logged_model(model_id).artifact_location
    elif parsed.scheme == "runs":
        run_id, _, path = parsed.path.lstrip("/").partition("/")
        source = f"{store.get_run(run_id).info.artifact_uri}/{path}"
    if urlparse(source).scheme != _SCHEME:
        raise MlflowException(
            f"'{source[:200]}' is not among the artifacts of this server: log the model to a run first "
            "(mlflow.<flavor>.log_model), and register it from there.",
            INVALID_PARAMETER_VALUE,
        )
    return source


def download_source(location: str, folder: Path) -> None:
    """Write the files at `location` into `folder`.

    Raises:
        InvalidInputError: there are none, or it is no model.
        MlflowException: it lies in another workspace.
    """
    from mlflow.server import handlers  # noqa: PLC0415 - as above

    path = handlers._get_workspace_scoped_repo_path_if_enabled(unquote(urlparse(location).path))  # noqa: SLF001
    artifacts = handlers._get_artifact_repo_mlflow_artifacts()  # noqa: SLF001
    artifacts.copy_folder(path, folder)
    if not (folder / "MLmodel").is_file():
        raise InvalidInputError(
            f"There is no MLflow model at '{location}'", hint="Name the folder that has the file MLmodel."
        )
