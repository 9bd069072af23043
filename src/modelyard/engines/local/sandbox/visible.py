"""Which host paths every sandbox sees, read-only: the system, the Python installation and this package."""

import os
import sys
from pathlib import Path

import modelyard

PACKAGE = Path(modelyard.__file__).resolve().parent

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/sys/devices/system/cpu")
_ETC = (
    "alternatives",
    "ca-certificates",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "pki",
    "protocols",
    "services",
    "ssl",
    "timezone",
)
_ETC_NETWORK = ("hosts", "host.conf", "nsswitch.conf", "resolv.conf", "gai.conf")


def system_paths() -> list[str]:
    """Parts of the operating system; links among them are kept as links."""
    return [path for path in _SYSTEM if os.path.lexists(path)]


def etc_paths(*, has_network: bool) -> list[str]:
    """Configuration without secrets or names of people."""
    names = _ETC + _ETC_NETWORK if has_network else _ETC
    return [path for path in (f"/etc/{name}" for name in names) if Path(path).exists()]


def python_paths() -> list[str]:
    """The running Python: environment, base installation, every folder its links lead through, and this package."""
    found = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.base_prefix).resolve(), PACKAGE}
    link = Path(sys.executable)
    while link.is_symlink():
        found.add(link.parent.parent)
        link = link.parent / link.readlink()
    found.add(link.parent.parent)
    below_system = (Path("/"), Path("/usr"))
    return sorted(str(path) for path in found if path not in below_system and path.is_dir())
