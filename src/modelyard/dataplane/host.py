"""The process behind the replicas of small models: `python -m modelyard.dataplane.host --folder DIR --bundles DIR`.

It starts without a model and with everything imported, so that one is in service as soon as it is read. Exit codes:
0 told to end, 2 wrong arguments, 4 the control socket cannot be bound, 5 a model has outgrown it, which standard error
names. Ended by SIGALRM: a model hung, and standard error says where.
"""

import argparse
import os
import sys
from pathlib import Path

from modelyard.dataplane.vitals import HANG_SECONDS
from modelyard.dataplane.worker import EXIT_BIND_FAILED, THREAD_VARIABLES

MEMORY_BYTES = 1 << 30


def main(arguments: list[str] | None = None) -> int:
    """Listen for orders, serve until SIGTERM or SIGINT; returns the exit code."""
    options = _parse(arguments)
    for variable in THREAD_VARIABLES:
        os.environ[variable] = "1"
    # Imported only now: NumPy and the frameworks read the thread variables once, when they are loaded.
    from modelyard.dataplane.hosting.model_host import ModelHost  # noqa: PLC0415
    from modelyard.runtimes.formats.onnx import share_arena  # noqa: PLC0415

    share_arena()
    try:
        ModelHost(options.folder, options.bundles, options.memory_bytes, options.hang_seconds).run()
    except OSError as error:
        sys.stderr.write(f"host: cannot listen in '{options.folder}': {error}\n")
        return EXIT_BIND_FAILED
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m modelyard.dataplane.host", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where it makes its sockets and reports")
    parser.add_argument("--bundles", type=Path, required=True, help="where control puts the bundles it is to load")
    parser.add_argument(
        "--memory-bytes", type=int, default=MEMORY_BYTES, help="beyond it the models not asked for longest are parked"
    )
    parser.add_argument(
        "--hang-seconds",
        type=float,
        default=HANG_SECONDS,
        help="a batch that takes longer than this, and than its callers wait, ends the process",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
