"""Looks whether this machine can run the platform well, and says what to do where it cannot.

Changes nothing; NVIDIA's driver, when it is asked, may make device files of its own.
"""

from collections.abc import Callable

from modelyard.server.doctor.accelerators import look_at_accelerators
from modelyard.server.doctor.extras import look_at_torch
from modelyard.server.doctor.fences import (
    look_at_containers,
    look_at_control_groups,
    look_at_gangs,
    look_at_landlock,
    look_at_sandbox,
)
from modelyard.server.doctor.findings import Finding
from modelyard.server.doctor.machine import (
    look_at_open_files,
    look_at_operating_system,
    look_at_processors_and_memory,
    look_at_python,
    look_at_shared_memory,
)
from modelyard.server.doctor.packages import look_at_bytecode
from modelyard.server.doctor.port import look_at_port
from modelyard.server.doctor.state import look_at_database, look_at_disk, look_at_file_locks, look_at_state_directory
from modelyard.settings import Settings


def examine(settings: Settings) -> list[Finding]:
    """Everything worth knowing before `modelyard up`, in a fixed order."""
    checks: list[Callable[[Settings], Finding]] = [
        look_at_operating_system,
        look_at_python,
        look_at_bytecode,
        look_at_processors_and_memory,
        look_at_accelerators,
        look_at_sandbox,
        look_at_landlock,
        look_at_control_groups,
        look_at_containers,
        look_at_gangs,
        look_at_state_directory,
        look_at_file_locks,
        look_at_disk,
        look_at_shared_memory,
        look_at_open_files,
        look_at_database,
        look_at_port,
        look_at_torch,
    ]
    return [check(settings) for check in checks]
