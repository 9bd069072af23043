"""Package environments for models that are programs: locked, built once, shared read-only.

An environment is named by the digest of its lock and its Python, so equal locks share one folder. uv does the work, in
a sandbox with network; it takes built packages (wheels) only, so that no code of theirs runs while they are installed.
The one exception is pyspark.
"""

import hashlib
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from modelyard.control.environments.errors import EnvironmentBuildFailedError, EnvironmentToolMissingError
from modelyard.control.environments.interpreters import Interpreter, find_interpreter, for_python, python_of
from modelyard.engines.base import Engine
from modelyard.engines.pythons import installation_mounts
from modelyard.kit.ids import new_id
from modelyard.types.processes import EndCause, Mount, ProcessSpec, Resources

_LABELS = {"kind": "environment"}
_PASSED_ON = ("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_MEMORY_BYTES = 2 << 30
_DISK_BYTES = 20 << 30
_LAST_LINES = 6
_COMPILERS = "8"  # processes, whose memory counts; uv would have one for each core
_BUILT_ONLY = ("--only-binary", ":all:", "--no-binary", "pyspark")
"""Spark's project publishes pyspark as a source archive alone: that one is built here, as all is in the sandbox."""

_MAKE = 'uv="$1" folder="$2"; shift 2; "$uv" venv -q --relocatable --python "$1" "$folder"; shift; \
exec "$uv" pip install -q --compile-bytecode --python "$folder/bin/python" "$@"'
"""Compiled to bytecode, for the sandboxes that use it cannot write there and would compile it at every start."""


class EnvironmentBuilder:
    """Locks and builds environments. Safe from any thread and process: an environment appears whole, by a rename.

    Args:
        engine: where uv runs.
        folder: `<home>/environments`.
        time_limit_seconds: of one lock or one build.
    """

    def __init__(self, engine: Engine, folder: Path, *, time_limit_seconds: float = 1800.0) -> None:
        self._engine = engine
        self._folder = folder
        self._time_limit_seconds = time_limit_seconds

    def check_python(self, version: str) -> None:
        """Nothing if environments can have this version of Python here.

        Raises:
            EnvironmentInvalidError: it is not installed.
            EnvironmentToolMissingError: there is no uv.
        """
        find_interpreter(self._uv(), version)

    def lock(self, requirements: str, python: str = "") -> str:
        """Exact versions with hashes for a requirements file.

        Args:
            requirements: its content.
            python: version of Python that they are for; empty: the platform's.

        Raises:
            EnvironmentInvalidError: there is no such Python.
            EnvironmentBuildFailedError: they cannot be resolved; the message has uv's own words.
            EnvironmentToolMissingError: there is no uv.
        """
        interpreter = find_interpreter(self._uv(), python)
        with _Scratch(self._folder) as scratch:
            (scratch / "requirements.txt").write_text(requirements, encoding="utf-8")
            options = [*_BUILT_ONLY, "--generate-hashes", "--no-header", "--no-annotate"]
            options += ["--python", str(interpreter.executable)]
            command = [self._uv(), "pip", "compile", "-q", *options, "-o", "lock.txt", "requirements.txt"]
            self._run(command, scratch, "resolving the requirements", interpreter)
            return for_python((scratch / "lock.txt").read_text(encoding="utf-8"), python)

    def ensure(self, lock: str) -> Path:
        """The interpreter of the environment of this lock, which is built if it is not there yet.

        Raises:
            EnvironmentInvalidError: there is no such Python.
            EnvironmentBuildFailedError: a package cannot be installed.
            EnvironmentToolMissingError: there is no uv.
        """
        interpreter = find_interpreter(self._uv(), python_of(lock))
        target = self._folder / self._digest(lock, interpreter)
        built = target / "bin" / "python"
        if built.exists():
            return built
        with _Scratch(self._folder) as scratch:
            (scratch / "lock.txt").write_text(lock, encoding="utf-8")
            options = [*_BUILT_ONLY, *(["--require-hashes"] if "--hash" in lock else [])]
            command = ["/bin/sh", "-ec", _MAKE, "sh", self._uv(), "environment"]
            command += [str(interpreter.executable), *options, "-r", "lock.txt"]
            self._run(command, scratch, "installing the packages", interpreter)
            try:
                (scratch / "environment").rename(target)
            except OSError:
                if not built.exists():  # otherwise somebody else was faster with the same content
                    raise
        return built

    def discard_leftovers(self) -> None:
        """End and forget what a killed process of ours left behind. Call once at the start."""
        for state in self._engine.list(_LABELS):
            self._engine.remove(state.id)
        for path in self._folder.glob(f"{_Scratch.PREFIX}*"):
            shutil.rmtree(path, ignore_errors=True)

    @staticmethod
    def _digest(lock: str, interpreter: Interpreter) -> str:
        return hashlib.sha256(f"{interpreter.version}\n{interpreter.prefix}\n{lock}".encode()).hexdigest()

    def _run(self, command: Sequence[str], scratch: Path, what: str, interpreter: Interpreter) -> None:
        cache = self._folder / ".cache"
        cache.mkdir(parents=True, mode=0o700, exist_ok=True)
        process_id = new_id("environment")
        spec = ProcessSpec(
            command=tuple(command),
            environment=_environment(cache),
            work_directory=str(scratch),
            mounts=(
                Mount(path=str(cache), is_writable=True),
                Mount(path=self._uv()),
                *installation_mounts(interpreter.prefix),
            ),
            resources=Resources(
                memory_bytes=_MEMORY_BYTES, disk_bytes=_DISK_BYTES, time_limit_seconds=self._time_limit_seconds
            ),
            has_network=True,
            labels=_LABELS,
        )
        try:
            self._engine.submit(process_id, spec)
            end = self._engine.wait(process_id, self._time_limit_seconds + 30).end
        finally:
            self._engine.remove(process_id)
        if end is None or end.cause is not EndCause.EXIT or end.exit_code != 0:
            output = end.log_tail.strip().splitlines()[-_LAST_LINES:] if end is not None else []
            reason = " | ".join(line.strip() for line in output) or (end.message if end else "it did not end")
            raise EnvironmentBuildFailedError(
                f"{what} failed: {reason}",
                hint="Check the names and versions. Only packages that come as wheels can be used.",
                field="requirements.txt",
            )

    @staticmethod
    def _uv() -> str:
        beside = Path(sys.executable).with_name("uv")
        found = str(beside) if beside.exists() else shutil.which("uv")
        if found is None:
            raise EnvironmentToolMissingError(
                "this machine has no uv, which makes the environments of models",
                hint="pip install 'modelyard[programs]'",
            )
        return str(Path(found).resolve())


class _Scratch:
    """A folder for one piece of work, on the same file system as its result."""

    PREFIX = ".new-"

    def __init__(self, parent: Path) -> None:
        self._path = parent / f"{self.PREFIX}{os.urandom(6).hex()}"

    def __enter__(self) -> Path:
        self._path.mkdir(parents=True, mode=0o700)
        return self._path

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._path, ignore_errors=True)


def _environment(cache: Path) -> dict[str, str]:
    """Which index uv asks, through which proxy: as this process was told."""
    names = [name for name in os.environ if name.startswith("UV_") or name.upper() in _PASSED_ON]
    own = {"UV_CACHE_DIR": str(cache), "UV_LINK_MODE": "copy", "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}
    own |= {"UV_CONCURRENT_INSTALLS": _COMPILERS}
    index = {"UV_DEFAULT_INDEX": os.environ["PIP_INDEX_URL"]} if "PIP_INDEX_URL" in os.environ else {}
    return index | {name: os.environ[name] for name in names} | own
