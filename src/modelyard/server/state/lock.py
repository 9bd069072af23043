"""A state directory belongs to one platform, export or import at a time."""

from typing import Self

from modelyard.kit.locks import FileLock
from modelyard.settings import Home


class PlatformLock(FileLock):
    """To be held by whatever works in the directory; `message` and `hint` are for whoever finds it held."""

    def __init__(self, home: Home, message: str, hint: str = "") -> None:
        usual = f"Stop that one first: modelyard down --home {home.root}"
        super().__init__(home.run / "platform.lock", message, hint or usual)
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
