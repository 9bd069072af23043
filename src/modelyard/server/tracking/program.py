"""The process of MLflow's tracking server, on a Unix socket: `python -m modelyard.server.tracking.program --home H`.

What it keeps lies in our database and our object store; which workspaces and models there are, it asks the platform.
"""

import argparse
import ctypes
import os
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from modelyard.errors import ModelyardError
from modelyard.kit.clock import SystemClock
from modelyard.server.tracking.surroundings import SCHEMA, environment
from modelyard.settings import Settings
from modelyard.storage.database import Database

_PR_SET_PDEATHSIG = 1
_EXIT_ORPHANED = 3


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="modelyard.server.tracking.program")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--parent", type=int, required=True, help="pid of the process that this one ends with")
    arguments = parser.parse_args()
    _end_with(arguments.parent)
    os.umask(0o077)  # database and socket are the owner's
    settings = Settings(home=arguments.home)
    os.environ.update(environment(settings))
    try:
        _serve(settings)
    except ModelyardError as error:
        sys.exit(f"{error.message}. {error.hint}")


def _end_with(parent: int) -> None:
    """Be sent SIGTERM when the thread that started this process is gone, however it went."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it went before that was set
        sys.exit(_EXIT_ORPHANED)


def _serve(settings: Settings) -> None:
    # The order is deliberate: MLflow reads its variables while it is imported.
    import uvicorn  # noqa: PLC0415
    from mlflow.server.fastapi_app import app  # noqa: PLC0415
    from mlflow.server.handlers import initialize_backend_stores  # noqa: PLC0415

    with closing(Database(settings.resolved_database_url)) as database:
        database.ensure_schema(SCHEMA)
    _upgrade(settings)
    initialize_backend_stores(
        backend_store_uri=os.environ["_MLFLOW_SERVER_FILE_STORE"],
        registry_store_uri=os.environ["_MLFLOW_SERVER_REGISTRY_STORE"],
        default_artifact_root=os.environ["_MLFLOW_SERVER_ARTIFACT_ROOT"],
        workspace_store_uri=os.environ["MLFLOW_WORKSPACE_STORE_URI"],
    )
    socket = settings.layout.sockets / "mlflow.sock"
    socket.unlink(missing_ok=True)
    uvicorn.run(
        app,
        uds=str(socket),
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        date_header=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
    )


def _upgrade(settings: Settings) -> None:
    """Bring an older database of MLflow's to the present schema; of one in a file, a copy is kept first."""
    from mlflow.store.db import utils  # noqa: PLC0415

    engine = utils.create_sqlalchemy_engine_with_retry(os.environ["_MLFLOW_SERVER_FILE_STORE"])
    try:
        found = utils._get_schema_version(engine)  # noqa: SLF001 - what `mlflow db upgrade` calls
        if found in (None, utils._get_latest_schema_revision()):  # noqa: SLF001 - None: a new one, which MLflow makes
            return
        file = settings.layout.tracking_database
        if file.exists():
            settings.layout.backups.mkdir(mode=0o700, parents=True, exist_ok=True)
            _copy(file, settings.layout.backups / f"{SystemClock().now():%Y%m%dT%H%M%S%f}-mlflow.db")
        utils._upgrade_db(engine)  # noqa: SLF001
    finally:
        engine.dispose()


def _copy(source: Path, target: Path) -> None:
    """By SQLite itself; readable by its owner only."""
    target.touch(mode=0o600)
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


if __name__ == "__main__":
    main()
