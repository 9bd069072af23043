"""The tutorial "from laptop to cluster", as it is written."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorials" / "from-laptop-to-cluster.md"
CLEAN = 'trap "modelyard down; modelyard cluster stop" EXIT\n'


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_its_commands_work_as_they_are_written(tmp_path_factory: pytest.TempPathFactory):
    tmp_path = tmp_path_factory.mktemp("t")  # short: sockets lie in it
    blocks = re.findall(r"^```sh\n(.*?)^```", TUTORIAL.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 5
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MODELYARD_", "RAY_"))}
    environment |= {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euxc", CLEAN + "".join(blocks)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )
    log = tmp_path / "up.log"
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-3000:]}\n{log.exists() and log.read_text()}"
    assert (tmp_path / "answer.json").stat().st_size > 0
    assert "Stopped the node" in done.stdout
