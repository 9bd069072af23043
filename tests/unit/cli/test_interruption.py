"""Ctrl-C before a command has begun."""

import os
import signal
import subprocess
import sys
from pathlib import Path


def test_ctrl_c_while_the_program_is_still_being_imported_ends_it_without_a_traceback(tmp_path: Path):
    (tmp_path / "typer.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    program = subprocess.Popen(
        ["env", "--default-signal=INT", sys.executable, "-m", "modelyard", "status"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "importing\n"
    program.send_signal(signal.SIGINT)
    _, said = program.communicate(timeout=60)
    assert program.returncode == 130
    assert said == ""
