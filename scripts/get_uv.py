"""Print the path of `uv`, the installer that reads uv.lock; bring it first if it is not here.

Needs nothing but Python 3.11 and a package index: Debian ships Python without pip and without ensurepip.
Order: uv on the PATH, an earlier run's copy in .uv/, pip, a wheel taken straight from the index.
"""

import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

VERSION = "0.13.9"
FOLDER = Path(__file__).resolve().parent.parent / ".uv"
BINARY = FOLDER / "bin" / "uv"
INDEX = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("PIP_INDEX_URL") or "https://pypi.org/simple"


def main() -> None:
    """Find or fetch uv, print where it is."""
    if sys.version_info < (3, 11):
        sys.exit(f"Modelyard needs Python 3.11 or newer; python3 here is {platform.python_version()}.")
    found = shutil.which("uv") or (str(BINARY) if BINARY.exists() else None)
    if found is None:
        print(f"Fetching uv {VERSION} into {FOLDER} ...", file=sys.stderr)
        if not fetch_with_pip():
            fetch_wheel()
        found = str(BINARY)
    print(found)


def fetch_with_pip() -> bool:
    """Let pip do it, where there is one: it knows the machine's proxies and indexes."""
    command = [sys.executable, "-m", "pip", "install", "-q", "--target", str(FOLDER), f"uv=={VERSION}"]
    done = subprocess.run(command, capture_output=True, check=False)
    return done.returncode == 0 and BINARY.exists()


def fetch_wheel() -> None:
    """Take the wheel from the index (PEP 691), check its digest, keep the program in it."""
    request = urllib.request.Request(
        f"{INDEX.rstrip('/')}/uv/", headers={"Accept": "application/vnd.pypi.simple.v1+json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        page, address = json.load(answer), answer.url
    machine = platform.machine()
    wanted = [
        file
        for file in page["files"]
        if file["filename"].startswith(f"uv-{VERSION}-py3-none-manylinux") and machine in file["filename"]
    ]
    if not wanted:
        sys.exit(f"The index has no uv {VERSION} for {machine}. Install uv yourself, any recent version.")
    with urllib.request.urlopen(urllib.parse.urljoin(address, wanted[0]["url"]), timeout=300) as answer:
        wheel = answer.read()
    if hashlib.sha256(wheel).hexdigest() != wanted[0]["hashes"]["sha256"]:
        sys.exit("The downloaded uv does not have the digest that the index states. Nothing was installed; try again.")
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        program = archive.read(f"uv-{VERSION}.data/scripts/uv")
    BINARY.parent.mkdir(parents=True, exist_ok=True)
    temporary = BINARY.with_suffix(".part")
    temporary.write_bytes(program)
    temporary.chmod(0o755)
    temporary.replace(BINARY)


if __name__ == "__main__":
    main()
