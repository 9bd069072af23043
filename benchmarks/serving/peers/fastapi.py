"""FastAPI on uvicorn, a worker process for each core. It has no batching."""

import os

from benchmarks.serving import environments
from benchmarks.serving.peers.base import Peer


class FastApi(Peer):
    """See the module."""

    name = "fastapi"
    about = "path operation with a pydantic body, `uvicorn --workers` = cores; no batching"
    environment = environments.ALL["fastapi"]

    def commands(self) -> list[list[str]]:
        """See Peer."""
        place = ["--host", "127.0.0.1", "--port", str(self.port), "--log-level", "warning"]
        workers = str(os.cpu_count() or 1)
        return [[self.environment.program("uvicorn"), "fastapi_app:app", "--workers", workers, *place]]
