"""The environment that this installation offers: its own packages, locked and named by their digest."""

import hashlib
import importlib.metadata
import platform

from modelyard.errors import NotFoundError
from modelyard.types.jobs import Environment


class EnvironmentNotFoundError(NotFoundError):
    """No environment of that name."""

    code = "environment_not_found"


class EnvironmentService:
    """Lists environments. There is one so far: "builtin", in which the built-in algorithms run."""

    def list(self) -> list[Environment]:
        """All environments."""
        return [builtin_environment()]

    def get(self, name: str) -> Environment:
        """One environment.

        Raises:
            EnvironmentNotFoundError: no such name.
        """
        for environment in self.list():
            if environment.name == name:
                return environment
        raise EnvironmentNotFoundError(
            f"There is no environment '{name}'", hint="GET /jobs/v1/environments lists them."
        )


def builtin_environment() -> Environment:
    """The packages installed beside this one, as sorted `name==version` lines."""
    installed = {d.metadata["Name"].lower().replace("_", "-"): d.version for d in importlib.metadata.distributions()}
    packages = tuple(f"{name}=={version}" for name, version in sorted(installed.items()))
    return Environment(
        name="builtin",
        digest=hashlib.sha256("\n".join(packages).encode()).hexdigest(),
        python=platform.python_version(),
        packages=packages,
    )
