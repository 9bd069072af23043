"""The tour of the README as it stands: every command that is not about files of the reader's own, and the program."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from modelyard.sdk.client import Client
from modelyard.testing.docs.guide import ROOT, Guide
from modelyard.testing.programs import Program

pytestmark = [pytest.mark.slow, pytest.mark.timeout(700)]  # a minute or two; the rest is for a busy machine
README = Guide("README.md")


def test_the_tour_runs_as_it_stands_and_leaves_what_it_says(tmp_path: Path, programs: Callable[..., Program]) -> None:
    platform = programs(tmp_path / "home", "modelyard.server.up")
    url = platform.start("--port", "0").ready()
    README.follow(ROOT, platform.home, seconds=500)
    (program,) = README.programs
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"MODELYARD_HOME": str(platform.home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with Client(url, platform.token) as client:
        assert {dataset.name for dataset in client.datasets.list()} >= {"houses", "priced-houses"}
        (search,) = client.tuning.list()
        assert search.counts == {"COMPLETED": 7}, "one for each depth from 2 to 8"
        assert [run.status.value for run in client.pipelines.runs("houses")] == ["COMPLETED"]
        champion = client.models.get("houses@champion")
        assert champion.lineage.job
        assert client.endpoints.get("houses").status.value == "READY"
    assert platform.stop() == 0
