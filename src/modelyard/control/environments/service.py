"""Environments by name: the one of this installation, ready-made ones, and those that somebody has made."""

import hashlib
import platform
import re
from dataclasses import replace
from importlib.metadata import distributions

from modelyard.control.environments.building import EnvironmentBuilder
from modelyard.control.environments.errors import (
    EnvironmentExistsError,
    EnvironmentInvalidError,
    EnvironmentNotFoundError,
)
from modelyard.control.environments.interpreters import HERE, for_python
from modelyard.control.environments.ready_made import ready_made
from modelyard.control.environments.repository import EnvironmentRepository, NamedEnvironment
from modelyard.control.environments.schemas import EnvironmentCreate
from modelyard.kit.clock import Clock
from modelyard.kit.ids import check_name
from modelyard.storage.database import Connection, Database
from modelyard.types.jobs import Environment

BUILTIN = "builtin"
_PINNED = re.compile(r"^([A-Za-z0-9][\w.-]*(?:\[[^]]*\])?==[^\s;\\]+)", re.MULTILINE)


class EnvironmentService:
    """Lists, shows and makes environments. Safe from any thread.

    The digest of an environment is that of its lock: of the file `environment.lock` in every model version that was
    made with it, and of what the replicas of a program run with.

    Args:
        builder: locks and builds them.
    """

    def __init__(
        self, database: Database, repository: EnvironmentRepository, builder: EnvironmentBuilder, clock: Clock
    ) -> None:
        self._database = database
        self._repository = repository
        self._builder = builder
        self._clock = clock

    def list(self) -> list[Environment]:
        """The installation's own, then all others by name, without their locks."""
        with self._database.read() as connection:
            named = {row.name: _shown(row) for row in self._repository.all(connection)}
        every = {name: _unlocked(name, wish) for name, wish in ready_made().items()} | named
        found = [builtin_environment(), *(every[name] for name in sorted(every))]
        return [replace(each, lock="") for each in found]

    def get(self, name: str) -> Environment:
        """One environment with its lock.

        Raises:
            EnvironmentNotFoundError: no such name.
        """
        if name == BUILTIN:
            return builtin_environment()
        with self._database.read() as connection:
            row = self._repository.get(connection, name)
        if row is not None:
            return _shown(row)
        wish = ready_made().get(name)
        if wish is None:
            raise EnvironmentNotFoundError(
                f"There is no environment '{name[:80]}'", hint="GET /jobs/v1/environments lists them.", field="name"
            )
        return _unlocked(name, wish)

    def check_python(self, version: str) -> None:
        """Nothing if environments can have this version of Python here.

        Raises:
            EnvironmentInvalidError: it is not installed; the hint has those that are.
        """
        self._builder.check_python(version)

    def build(self, wanted: EnvironmentCreate, created_by: str) -> Environment:
        """Lock an environment, build it on this machine, and give it a name; the same again changes nothing.

        Raises:
            NameInvalidError, EnvironmentInvalidError: the request is wrong.
            EnvironmentExistsError: the name means another environment.
            EnvironmentBuildFailedError: its packages cannot be had, or do not go together.
        """
        check_name(wanted.name)
        if wanted.name == BUILTIN:
            raise EnvironmentExistsError(
                f"'{BUILTIN}' is this installation's own environment", hint="Choose another name.", field="name"
            )
        requirements, python = _requirements(wanted), wanted.python or HERE
        self._builder.check_python(python)
        with self._database.read() as connection:
            known = self._repository.get(connection, wanted.name)
        given = None if wanted.lock is None else for_python(wanted.lock, python)
        lock = known.lock if known is not None else given or self._builder.lock(requirements, python)
        self._builder.ensure(lock)
        known = known or self._name(
            wanted.name, requirements, lock, python, created_by
        )  # what cannot be built takes no name
        _check_same(known, requirements, given, python)
        return _shown(known)

    def _name(self, name: str, requirements: str, lock: str, python: str, created_by: str) -> NamedEnvironment:
        made = NamedEnvironment(
            name=name,
            requirements=requirements,
            lock=lock,
            python=python,
            created_at=self._clock.now(),
            created_by=created_by,
        )
        with self._database.transaction() as connection:
            return self._first(connection, made)

    def _first(self, connection: Connection, made: NamedEnvironment) -> NamedEnvironment:
        """`made`, or what somebody else gave the name to meanwhile."""
        known = self._repository.get(connection, made.name)
        if known is None:
            self._repository.insert(connection, made)
        return known or made


def builtin_environment() -> Environment:
    """The packages installed beside this one, in which the built-in algorithms run."""
    lines = sorted({f"{each.metadata['Name'].lower().replace('_', '-')}=={each.version}" for each in distributions()})
    lock = "\n".join(lines) + "\n"
    return Environment(
        name=BUILTIN,
        digest=_digest(lock),
        python=platform.python_version(),
        packages=tuple(lines),
        lock=lock,
        description="What this installation runs with: built-in algorithms, and models that are data.",
    )


def _requirements(wanted: EnvironmentCreate) -> str:
    if wanted.requirements is not None and wanted.lock is not None:
        raise EnvironmentInvalidError("give requirements or a lock, not both", hint="Leave one out.", field="lock")
    if wanted.lock is not None:
        if not _packages(wanted.lock) or "--hash" not in wanted.lock:
            raise EnvironmentInvalidError(
                "a lock has exact versions with hashes, this one has not",
                hint="Write it with `uv pip compile --generate-hashes`, or give `requirements`.",
                field="lock",
            )
        return ""
    requirements = wanted.requirements if wanted.requirements is not None else ready_made().get(wanted.name, "")
    if not requirements.strip():
        raise EnvironmentInvalidError(
            f"nothing says which packages '{wanted.name}' has",
            hint=f"Give `requirements` or `lock`. By their names alone there are: {', '.join(ready_made())}.",
            field="requirements",
        )
    return requirements


def _check_same(known: NamedEnvironment, requirements: str, lock: str | None, python: str) -> None:
    is_same = known.lock == lock if lock is not None else known.requirements == requirements
    if not is_same or minor(known.python) != python:
        raise EnvironmentExistsError(
            f"'{known.name}' is another environment",
            hint="A name means one environment for good: choose another one.",
            field="name",
        )


def _shown(row: NamedEnvironment) -> Environment:
    return Environment(
        name=row.name,
        digest=_digest(row.lock),
        python=row.python,
        packages=_packages(row.lock),
        requirements=row.requirements,
        lock=row.lock,
    )


def _unlocked(name: str, requirements: str) -> Environment:
    return Environment(
        name=name,
        digest=None,
        python=platform.python_version(),
        packages=(),
        requirements=requirements,
        description="Ready-made: its versions are locked when it is built.",
    )


def _packages(lock: str) -> tuple[str, ...]:
    return tuple(sorted(_PINNED.findall(lock)))


def _digest(lock: str) -> str:
    return hashlib.sha256(lock.encode()).hexdigest()


def minor(python: str) -> str:
    """The version of a Python without its last number."""
    return ".".join(python.split(".")[:2])
