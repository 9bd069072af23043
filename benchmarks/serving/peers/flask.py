"""Flask on gunicorn, with the number of workers that gunicorn's documentation advises. It has no batching."""

import os

from benchmarks.serving import environments
from benchmarks.serving.peers.base import Peer


class Flask(Peer):
    """See the module."""

    name = "flask"
    about = "gunicorn with 2 x cores + 1 workers of its threaded kind; no batching"
    environment = environments.ALL["flask"]

    def commands(self) -> list[list[str]]:
        """See Peer."""
        workers = str(2 * (os.cpu_count() or 1) + 1)
        options = ["--workers", workers, "--worker-class", "gthread", "--log-level", "warning"]
        return [[self.environment.program("gunicorn"), *options, "-b", f"127.0.0.1:{self.port}", "flask_app:app"]]
