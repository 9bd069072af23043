"""Where the archives of models come from."""

from pathlib import Path
from typing import Protocol


class ArchiveSource(Protocol):
    """Fetches objects that s3:// addresses name. Safe from any thread."""

    def download(self, project: str, url: str, target: Path) -> None:
        """Write the object to `target`.

        Raises:
            NotFoundError: there is no such object, or it is not the project's.
            InvalidInputError: this is no address of an object.
            TemporaryError: the store does not answer.
        """
