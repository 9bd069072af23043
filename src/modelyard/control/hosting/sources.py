"""Objects that s3:// addresses name: archives of models, inputs and outputs of asynchronous requests."""

from pathlib import Path
from typing import Protocol


class Objects(Protocol):
    """Reads and writes them on a project's behalf. Safe from any thread.

    Every method raises InvalidInputError for what is no address of an object, NotFoundError for what is not there or
    not the project's, and TemporaryError when the store does not answer.
    """

    def exists(self, project: str, uri: str) -> bool:
        """Whether there is an object with just this key."""

    def download(self, project: str, uri: str, path: Path) -> None:
        """Write the object to a file."""

    def read(self, project: str, uri: str) -> bytes:
        """The object's content."""

    def media_type(self, project: str, uri: str) -> str:
        """The Content-Type that the object was stored with; may be empty."""

    def write(self, project: str, uri: str, content: bytes) -> None:
        """Store an object, replacing what was there."""
