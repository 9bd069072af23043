"""The process behind a replica: `python -m modelyard.dataplane.worker --bundle DIR --socket PATH --threads N`.

Its socket appears once the model is loaded. Exit codes: 0 told to end, 2 wrong arguments, 3 the bundle cannot be
loaded, 4 the socket cannot be bound; the last two say why on standard error. Ended by SIGALRM: its model
hung, and standard error says where.
"""

import argparse
import os
import sys
from pathlib import Path

from modelyard.dataplane.vitals import HANG_SECONDS

EXIT_LOAD_FAILED = 3
EXIT_BIND_FAILED = 4

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main(arguments: list[str] | None = None) -> int:
    """Load, listen, answer until SIGTERM or SIGINT; returns the exit code."""
    options = _parse(arguments)
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(options.threads)
    # Imported only now: NumPy and the frameworks read the thread variables once, when they are loaded.
    from modelyard.dataplane.model_server import ModelServer  # noqa: PLC0415
    from modelyard.errors import ModelyardError  # noqa: PLC0415
    from modelyard.runtimes.bundle import load_bundle, nan_free_of  # noqa: PLC0415

    try:
        manifest, predictor = load_bundle(options.bundle, threads=options.threads, python=options.python)
        nan_free = nan_free_of(options.bundle)
    except ModelyardError as error:
        return _fail(EXIT_LOAD_FAILED, f"cannot load the bundle: {error.code}: {error.message}. {error.hint}")
    except Exception as error:  # noqa: BLE001 - whatever a framework raises on a file is the reason to report
        return _fail(EXIT_LOAD_FAILED, f"cannot load the bundle: {type(error).__name__}: {error}")
    try:
        server = ModelServer(
            manifest.signature,
            predictor,
            is_pure=manifest.is_pure,
            nan_free=nan_free,
            hang_seconds=options.hang_seconds,
        )
        server.run(options.socket, options.door)
    except OSError as error:
        return _fail(EXIT_BIND_FAILED, f"cannot listen on '{options.socket}': {error}")
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m modelyard.dataplane.worker", description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True, help="folder of the model version")
    parser.add_argument("--socket", required=True, help="Unix socket path, or host:port")
    parser.add_argument(
        "--door", default="", help="Unix socket at which connections from other machines are handed over"
    )
    parser.add_argument("--threads", type=int, default=1, help="threads that the model may use")
    parser.add_argument("--python", type=Path, help="interpreter of the model's own environment, if it is a program")
    parser.add_argument(
        "--hang-seconds",
        type=float,
        default=HANG_SECONDS,
        help="a batch that takes longer than this, and than its callers wait, ends the process",
    )
    return parser.parse_args(arguments)


def _fail(code: int, reason: str) -> int:
    sys.stderr.write(f"worker: {reason}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
