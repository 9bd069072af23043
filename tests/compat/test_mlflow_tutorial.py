"""The tutorial "experiments with MLflow", as it is written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from modelyard.testing.programs import processes_of

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorials" / "experiments.md"
BLOCKS = 5


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_its_commands_work_as_they_are_written(tmp_path: Path):
    blocks = re.findall(r"^```sh\n(.*?)^```", TUTORIAL.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == BLOCKS
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MODELYARD_", "MLFLOW_"))}
    own |= {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euxc", 'trap "modelyard down" EXIT\n' + "".join(blocks)],
        cwd=tmp_path,
        env=own,
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-4000:]}"
    assert "alpha 0.1" in done.stdout
    assert "MLflow running" in done.stdout
    assert not processes_of(tmp_path / ".modelyard")
