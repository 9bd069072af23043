"""A state directory belongs to one platform, export or import at a time."""

from modelyard.kit.locks import FileLock
from modelyard.settings import Home


def platform_lock(home: Home, message: str) -> FileLock:
    """To be held by whatever works in the directory; `message` says what is wrong if another process does."""
    return FileLock(home.run / "platform.lock", message, f"Stop that one first: modelyard down --home {home.root}")
