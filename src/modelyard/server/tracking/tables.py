"""How MLflow makes its tables: its first ones, and the folder of its migrations."""

from importlib.util import find_spec
from pathlib import Path

from modelyard.errors import InvalidStateError
from modelyard.server.tracking.supervision import is_installed
from modelyard.server.tracking.surroundings import SCHEMA
from modelyard.storage.database import Connection


class MlflowMissingError(InvalidStateError):
    """Experiments are to go into or out of PostgreSQL, and MLflow, which knows their tables, is not installed."""

    code = "mlflow_missing"

    def __init__(self) -> None:
        super().__init__(
            "Experiments cannot be moved into or out of PostgreSQL: MLflow is not installed here",
            hint="pip install 'modelyard[mlflow]' and try again. Nothing was changed.",
        )


class MlflowTables:
    """Of the MLflow that is installed."""

    schema = SCHEMA

    def check(self) -> None:
        """See `TrackingTables`.

        Raises:
            MlflowMissingError: there is none.
        """
        if not is_installed():
            raise MlflowMissingError

    def scripts(self, connection: Connection) -> Path:
        """See `TrackingTables`."""
        from mlflow.store.tracking.dbmodels.initial_models import Base  # noqa: PLC0415 - heavy, and only needed here

        Base.metadata.create_all(connection)
        found = find_spec("mlflow")
        if found is None or found.origin is None:
            raise MlflowMissingError
        return Path(found.origin).parent / "store" / "db_migrations" / "versions"
