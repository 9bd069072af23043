"""What jobs ran on, for their records: told by their own processes, so none of it is taken to be well-formed."""

from pathlib import Path

import msgspec

from modelyard.algorithms.programs.machine import MACHINE_FILE
from modelyard.control.jobs.inputs import JobInputs
from modelyard.control.jobs.scripts.places import FACTS
from modelyard.kit.files import PathEscapesError, inside
from modelyard.types.jobs import Job
from modelyard.types.scripting.conditions import Conditions, Machine

_MOST_BYTES = 64 << 10


def threads_of(job: Job) -> int:
    """Threads that a job is told to use."""
    return max(1, int(job.resources.cpus or 1))


def begun(job: Job, inputs: JobInputs, fetched: dict[str, str]) -> Conditions:
    """What an attempt begins with, its data being here.

    Args:
        job: whose attempt it is.
        inputs: dataset versions.
        fetched: digests of its other data, by role.
    """
    versions = {role: inputs.channel(job.project, ref).reference.digest for role, ref in job.recipe.channels.items()}
    return Conditions(data=versions | fetched, threads=threads_of(job))


def read_machine(folder: Path) -> Machine | None:
    """What the process of an attempt told of its machine; None if it told nothing, or nonsense."""
    for name in (f"{FACTS}/{MACHINE_FILE}", MACHINE_FILE):
        try:
            with inside(folder, name).open("rb") as file:
                return msgspec.json.decode(file.read(_MOST_BYTES), type=Machine)
        except (OSError, msgspec.MsgspecError, PathEscapesError):
            continue
    return None
