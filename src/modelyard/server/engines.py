"""The engine that the settings name, and whether it can work before anything is started on it."""

import subprocess
import sys

from modelyard.engines.base import Engine
from modelyard.engines.local.engine import LocalEngine
from modelyard.errors import UnavailableError
from modelyard.settings import Settings

_CHECK_SECONDS = 180.0


class EngineNotReadyError(UnavailableError):
    """The engine that was asked for cannot run what this platform would give it."""

    code = "engine_not_ready"


def open_engine(settings: Settings) -> Engine:
    """The engine of this platform.

    Raises:
        RayMissingError: Ray is not installed.
        ClusterUnavailableError: no cluster answers.
    """
    if settings.engine == "ray":
        from modelyard.engines.ray.engine import RayEngine  # noqa: PLC0415 - Ray is an extra

        return RayEngine(settings.layout, settings.ray_address)
    return LocalEngine(settings.layout)


def check_engine(settings: Settings) -> None:
    """Nothing if the engine is ready. Asks in a process of its own, for a connection to a cluster takes 100 MB.

    Raises:
        EngineNotReadyError: it is not, with the reason and what to do.
    """
    if settings.engine == "local":
        return
    words = ["--home", str(settings.layout.root), "--address", settings.ray_address]
    try:
        answer = subprocess.run(
            [sys.executable, "-m", "modelyard.engines.ray.check", *words],
            capture_output=True,
            text=True,
            timeout=_CHECK_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EngineNotReadyError(
            f"The cluster's nodes did not answer within {_CHECK_SECONDS:.0f} s",
            hint="`modelyard cluster status` shows them.",
        ) from error
    if answer.returncode != 0:
        lines = answer.stdout.splitlines() or [(answer.stderr.strip().splitlines() or ["it failed"])[-1]]
        raise EngineNotReadyError(lines[0], hint=" ".join(lines[1:]))
