"""A kind's part in the life of a job. `JobExecution` carries all kinds alike."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, TypeVar

from modelyard.types.jobs import Job
from modelyard.types.processes import ProcessEnd, ProcessSpec

Part = TypeVar("Part")
Figures = dict[str, str | float]
Save = Callable[[Job], None]


class Kind(ABC):
    """What the process of such a job is, what is looked at meanwhile, and what becomes of what it left.

    The defaults are those of a kind that keeps nothing between attempts. Safe from any thread; whatever is interrupted
    by a crash is called again. Where a method does not say otherwise it raises no ModelyardError.

    Attributes:
        is_resumed: an attempt goes on from what the last one left, so what that has measured counts.
        outlives_kills: somebody's SIGKILL costs it little, so it is tried again.
        keeps_unfinished: what it has made by the time it is stopped or out of time is kept.
        grace_seconds: between the SIGTERM that stops it and the SIGKILL.
    """

    is_resumed: ClassVar[bool] = False
    outlives_kills: ClassVar[bool] = False
    keeps_unfinished: ClassVar[bool] = False
    grace_seconds: ClassVar[float] = 5.0

    @abstractmethod
    def prepare(self, job: Job, folder: Path, save: Save) -> ProcessSpec:
        """The process of an attempt in `folder`, whose files are there afterwards; its labels are still to come.

        Args:
            job: the job.
            folder: of the attempt.
            save: remembers the job with something settled for good, such as its packages.

        Raises:
            ModelyardError: an input or a package cannot be had, or it may not run here.
        """

    @abstractmethod
    def conclude(self, job: Job, folder: Path) -> Figures:
        """Keep what an attempt has made; what the job's record says of it.

        Raises:
            ModelyardError: it cannot be kept.
        """

    def members(self, job: Job, spec: ProcessSpec) -> list[ProcessSpec]:  # noqa: ARG002
        """The processes of a gang on several machines, by rank."""
        return [spec]

    def digests(self, job: Job) -> dict[str, str]:  # noqa: ARG002
        """Role -> SHA-256 of data that are no dataset versions; once the attempt is prepared."""
        return {}

    def retries(self, job: Job) -> int:  # noqa: ARG002
        """How often it is begun again after it has failed by itself."""
        return 0

    def look(self, job: Job) -> None:  # noqa: B027 - most kinds have nothing to do
        """A moment of an attempt's life, every fraction of a second."""

    def account(self, job: Job, folder: Path, end: ProcessEnd) -> str:  # noqa: ARG002
        """Why it failed, in its own words; empty if it has none."""
        return ""

    def suspend(self, job: Job) -> None:  # noqa: B027
        """The attempt is over and another one follows."""

    def remove(self, job: Job) -> None:  # noqa: B027
        """The job has ended: forget what was kept between attempts."""


def its(part: Part | None) -> Part:
    """The part of a recipe by which the catalog knows the kind."""
    if part is None:
        raise LookupError("the recipe is of another kind")
    return part
