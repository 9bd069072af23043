"""A model version's bundle as a local folder, whichever way its files come."""

import os
from collections.abc import Callable
from pathlib import Path

from modelyard.errors import InternalError
from modelyard.kit.files import inside, sha256_file
from modelyard.runtimes.bundle import MANIFEST
from modelyard.types.models import BundleFile, ModelVersion


class DownloadDamagedError(InternalError):
    """A downloaded file does not have the digest that the registry recorded."""

    code = "download_damaged"


def write_bundle(version: ModelVersion, target: Path, fetch: Callable[[BundleFile, Path], None]) -> None:
    """Fill the folder `target` with the files of `version`; whole files only, the manifest last.

    So a folder that has its manifest is complete, also if others write the same version at the same time.

    Raises:
        PathEscapesError: a path leaves the folder.
        DownloadDamagedError: what `fetch` wrote has another digest.
    """
    target.mkdir(parents=True, exist_ok=True)
    for file in sorted(version.files, key=lambda file: (file.path == MANIFEST, file.path)):
        path = inside(target, file.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        fetch_checked(path, file.digest, lambda partial, file=file: fetch(file, partial))  # type: ignore[misc]


def fetch_checked(path: Path, digest: str, fetch: Callable[[Path], None]) -> None:
    """Let `fetch` write a file that appears at `path` only once its SHA-256 is proven.

    Raises:
        DownloadDamagedError: it has another digest.
    """
    if path.is_file() and sha256_file(path) == digest:
        return
    partial = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}")
    try:
        fetch(partial)
        if sha256_file(partial) != digest:
            raise DownloadDamagedError(
                f"'{path.name}' arrived damaged: its content is not that of {digest[:12]}",
                hint="Try again; if it stays so, restore the registry's object store from a backup.",
            )
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
