"""Whether a job that was run again made the same."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A part of the result whose content differs: SHA-256 before and after, empty where there is none.

    `name` is "model/<file>", "files/<file>", "dataset" or "dataset/<output>". A model's `environment.lock` holds
    the packages that made it.
    """

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionChange:
    """Something that a result may depend on and that was not the same both times, in words."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """A job and its rerun, compared by the content of all that they made.

    `conditions` is what has changed under them: the machine, its libraries, data that is no dataset version.
    """

    job: str
    rerun: str
    is_same: bool
    differences: tuple[Difference, ...]
    conditions: tuple[ConditionChange, ...] = ()
