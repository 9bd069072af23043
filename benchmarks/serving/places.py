"""Where the benchmark keeps what it needs: outside the repository, since peers take gigabytes."""

import os
from pathlib import Path

CACHE = Path(os.environ.get("MODELYARD_BENCH_CACHE", Path.home() / ".cache" / "modelyard-bench"))
ENVIRONMENTS = CACHE / "environments"
MODELS = CACHE / "models"
RUNS = CACHE / "runs"
HERE = Path(__file__).resolve().parent
APPS = HERE / "apps"
REPOSITORY = HERE.parent.parent
