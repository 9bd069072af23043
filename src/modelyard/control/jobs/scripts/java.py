"""Java for jobs whose packages run in it, which are Spark's: found on this machine and shown to the job."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from modelyard.control.jobs.scripts.errors import JavaMissingError
from modelyard.types.processes import Mount

OLDEST = 17
"""What Spark 4 asks for. Source: https://spark.apache.org/docs/latest/, "Downloading"."""

_SPARK = re.compile(r"^pyspark(\[[^]]*\])?==", re.MULTILINE)
_VERSION = re.compile(r'^JAVA_VERSION="(?:1\.)?(\d+)', re.MULTILINE)
_INSTALLED = Path("/usr/lib/jvm")
_SPARKS_SHARE = 0.5  # of the job's memory; the rest is Python's, and what the JVM has beside its heap
_LEAST_MIB = 512

THREADS = 2048
"""That a job may have, Java's among them: Spark's pools make more than jobs may have otherwise."""

_NAMES = {
    "hosts": "127.0.0.1 localhost modelyard\n",
    "passwd": "modelyard:x:65534:65534::/tmp:/bin/sh\n",
}
"""Files of /etc. Spark asks for the addresses of `localhost` and of its machine's name, and for the name of its user; a
sandbox without network has neither, and none of it is the machine's own business to tell.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Java:
    """An installation: its folder, and further folders that it keeps its configuration in."""

    home: Path
    version: int
    configuration: tuple[Path, ...] = ()

    def mounts(self) -> tuple[Mount, ...]:
        """What a process must see to run it."""
        own = () if self.home.is_relative_to("/usr") else (self.home,)
        return tuple(Mount(path=str(path)) for path in (*own, *self.configuration))


def runs_spark(lock: str) -> bool:
    """Whether the packages of a lock need Java."""
    return _SPARK.search(lock) is not None


def find_java(environment: Mapping[str, str] = os.environ, installed: Path = _INSTALLED) -> Java:
    """The Java that JAVA_HOME names, or else the oldest on this machine that will do.

    Raises:
        JavaMissingError: there is none.
    """
    named = environment.get("JAVA_HOME")
    found = [java for home in _homes(environment, installed) if (java := _described(home)) is not None]
    fit = [java for java in found if java.version >= OLDEST]
    if not fit:
        there = ", ".join(sorted({f"Java {java.version}" for java in found})) or "none"
        raise JavaMissingError(
            f"Spark needs Java {OLDEST} or newer, and this machine has {there}",
            hint=f"Install it (apt-get install openjdk-{OLDEST}-jre-headless), or name one in JAVA_HOME before "
            "`modelyard up`.",
        )
    return next((java for java in fit if named and java.home == Path(named)), min(fit, key=lambda java: java.version))


def spark_variables(java: Java, python: Path, threads: int, memory_bytes: int | None) -> dict[str, str]:
    """What tells Spark to work in one process, with what the job has and without a network."""
    options = [
        f"--master local[{threads}]",
        "--conf spark.ui.enabled=false",
        "--conf spark.ui.showConsoleProgress=false",
    ]
    if memory_bytes is not None:
        options.append(f"--driver-memory {max(_LEAST_MIB, int(memory_bytes * _SPARKS_SHARE) >> 20)}m")
    return {
        "JAVA_HOME": str(java.home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_HOSTNAME": "localhost",
        "PYSPARK_PYTHON": str(python),
        "PYSPARK_SUBMIT_ARGS": f"{' '.join(options)} pyspark-shell",
    }


def name_mounts(folder: Path) -> tuple[Mount, ...]:
    """The names that Spark asks for, written into `folder`."""
    for name, content in _NAMES.items():
        (folder / name).write_text(content, encoding="ascii")
    return tuple(Mount(path=str(folder / name), target=f"/etc/{name}") for name in _NAMES)


def _homes(environment: Mapping[str, str], installed: Path) -> Iterator[Path]:
    if environment.get("JAVA_HOME"):
        yield Path(environment["JAVA_HOME"])
    program = shutil.which("java", path=environment.get("PATH", ""))
    if program is not None:
        yield Path(program).resolve().parent.parent
    if installed.is_dir():
        yield from sorted(path for path in installed.iterdir() if path.is_dir())


def _described(home: Path) -> Java | None:
    try:
        told = _VERSION.search((home / "release").read_text())
    except OSError:
        return None
    if told is None or not (home / "bin" / "java").exists():
        return None
    return Java(home=home, version=int(told[1]), configuration=tuple(sorted(_elsewhere(home))))


def _elsewhere(home: Path) -> set[Path]:
    """Folders that links in an installation lead to, outside of it: distributions keep configuration in /etc."""
    links = (path for folder in ("conf", "lib") for path in (home / folder).rglob("*") if path.is_symlink())
    ends = {path.resolve() for path in links}
    return {Path(*end.parts[:3]) for end in ends if end.is_relative_to("/etc") and end.exists()}
