"""A model's process and the worker are one replica: what ends the one ends the other, in the same way."""

import contextlib
import faulthandler
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import IO, Any, NoReturn

_HASTE_SECONDS = 0.25  # the model's alarm goes off this much before the worker's, and says where the model was
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_NOT_PASSED_ON = ("PYTHONPATH", "PYTHONHOME")  # they would lead the model's interpreter to the worker's packages


def model_environment(threads: int, **more: str) -> Mapping[str, str]:
    """Environment variables of a model's process: the worker's own, its threads, and `more`."""
    kept = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED_ON}
    return kept | dict.fromkeys(_THREAD_VARIABLES, str(threads)) | more


def seconds_left() -> float:
    """What the model may take: a little less than what is left until the worker's own alarm; 0 if none is set."""
    left = signal.getitimer(signal.ITIMER_REAL)[0]
    return max(left - _HASTE_SECONDS, left / 2) if left else 0.0


def how(code: int) -> str:
    """A return code of subprocess, in words."""
    return f"exit code {code}" if code >= 0 else f"signal {-code} ({signal.Signals(-code).name})"


def end_like(code: int) -> NoReturn:
    """End this process as the model's ended, so that the account of the end is that of the model."""
    sys.stderr.write(f"worker: the model's process ended with {how(code)}\n" if code != -signal.SIGALRM else "")
    sys.stderr.flush()
    if code < 0:
        faulthandler.unregister(signal.SIGALRM)
        with contextlib.suppress(OSError, ValueError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code or 1)


def end_process(process: "subprocess.Popen[bytes]", *channels: IO[Any]) -> None:
    """Kill a model's process, if it lives, and forget it."""
    for channel in channels:
        with contextlib.suppress(OSError):
            channel.close()
    if process.poll() is None:
        process.kill()
    process.wait()
