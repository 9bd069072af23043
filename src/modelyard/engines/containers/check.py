"""Finds out whether containers run on this machine: `python -m modelyard.engines.containers.check --home DIR`.

Runs `true` in one, with limits: a daemon that answers need not be one that can start anything. Exit code 1: a sentence
on standard output, and what to do in the next line.
"""

import argparse
import shutil
import sys
from pathlib import Path

from modelyard.engines.containers.engine import ContainerEngine
from modelyard.engines.containers.sockets import ContainersUnavailableError
from modelyard.errors import ModelyardError
from modelyard.kit.ids import new_id
from modelyard.settings import Home
from modelyard.types.processes import ProcessSpec, Resources

_PATIENCE_SECONDS = 90.0
_LIMITS = Resources(cpus=1, memory_bytes=256 << 20, time_limit_seconds=60)


def check_containers(home: Home, engine: ContainerEngine) -> None:
    """Nothing if a process of this machine runs in a container.

    Raises:
        ContainersUnavailableError: no daemon answers, or what it starts does not run.
    """
    daemon = engine.daemon()
    process_id = new_id("check")
    work = home.run / process_id
    work.mkdir(parents=True)
    try:
        engine.submit(process_id, ProcessSpec(command=("true",), work_directory=str(work), resources=_LIMITS))
        end = engine.wait(process_id, _PATIENCE_SECONDS).end
        if end is None or end.exit_code != 0:
            words = end.message if end is not None else f"it did not end within {_PATIENCE_SECONDS:.0f} s"
            raise ContainersUnavailableError(
                f"{daemon.name} answers, but `true` did not run in a container: {words}",
                hint=f"Try `{daemon.command} run --rm --memory 256m IMAGE true`; what that says is the reason.",
            )
    finally:
        engine.remove(process_id)
        shutil.rmtree(work, ignore_errors=True)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--socket", default="")
    arguments = parser.parse_args()
    home = Home(arguments.home)
    try:
        check_containers(home, ContainerEngine(home, socket=arguments.socket))
    except ModelyardError as error:
        sys.stdout.write(f"{error.message}\n{error.hint}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
