"""A state directory belongs to one platform, export or import at a time."""

from typing import Self

from modelyard.kit.locks import FileLock
from modelyard.settings import Home


class PlatformLock(FileLock):
    """To be held by whatever works in the directory; `message` says what is wrong if another process does."""

    def __init__(self, home: Home, message: str) -> None:
        super().__init__(home.run / "platform.lock", message, f"Stop that one first: modelyard down --home {home.root}")
        self._home = home

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            ResourceBusyError: another process holds it.
            StateDirectoryUnusableError: nothing can be written there.
        """
        try:
            return super().__enter__()
        except OSError as error:
            raise self._home.unusable(error) from error
