"""Every file in examples/ runs as its README says, against a platform of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from modelyard.testing.programs import Program

pytestmark = [pytest.mark.slow, pytest.mark.timeout(700)]  # a minute each; the rest is for a busy machine
FOLDER = Path(__file__).parents[3] / "examples"
SECONDS = 500
RUNNERS = {".py": [sys.executable], ".sh": ["sh"]}
EXAMPLES = sorted(path.name for path in FOLDER.iterdir() if path.is_file() and path.name != "README.md")


def test_the_readme_names_every_example() -> None:
    readme = (FOLDER / "README.md").read_text()

    assert EXAMPLES
    assert [name for name in EXAMPLES if f"`{name}`" not in readme] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_to_its_end(name: str, tmp_path: Path, programs: Callable[..., Program]) -> None:
    platform = programs(tmp_path / "home", "modelyard.server.up").start("--port", "0")
    platform.ready()
    tools = Path(sys.executable).parent
    environment = {**os.environ, "MODELYARD_HOME": str(platform.home), "PATH": f"{tools}:{os.environ['PATH']}"}

    done = subprocess.run(
        [*RUNNERS[Path(name).suffix], FOLDER / name],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "PROMOTED" in done.stdout
    assert "digits:2" in done.stdout
    assert "Traceback" not in done.stderr
