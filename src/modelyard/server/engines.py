"""Whether the engine that the settings name can work, before anything is started on it."""

import subprocess
import sys

from modelyard.errors import UnavailableError
from modelyard.settings import Settings
from modelyard.types.processes import EngineKind

_CHECK_SECONDS = 180.0


class EngineNotReadyError(UnavailableError):
    """The engine that was asked for cannot run what this platform would give it."""

    code = "engine_not_ready"


def check_engine(settings: Settings) -> None:
    """Nothing if the engine is ready. Asks in a process of its own, for a connection to a cluster takes 100 MB.

    Raises:
        EngineNotReadyError: it is not, with the reason and what to do.
    """
    checks = {
        EngineKind.RAY: ("modelyard.engines.ray.check", "--address", settings.ray_address),
        EngineKind.CONTAINER: ("modelyard.engines.containers.check", "--socket", settings.container_socket),
    }
    if settings.engine not in checks:
        return
    module, *words = checks[settings.engine]
    try:
        answer = subprocess.run(
            [sys.executable, "-m", module, "--home", str(settings.layout.root), *words],
            capture_output=True,
            text=True,
            timeout=_CHECK_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EngineNotReadyError(
            f"The engine '{settings.engine}' did not answer within {_CHECK_SECONDS:.0f} s",
            hint="`modelyard doctor` looks at containers, `modelyard cluster status` at a cluster's nodes.",
        ) from error
    if answer.returncode != 0:
        lines = answer.stdout.splitlines() or [(answer.stderr.strip().splitlines() or ["it failed"])[-1]]
        raise EngineNotReadyError(lines[0], hint=" ".join(lines[1:]))
