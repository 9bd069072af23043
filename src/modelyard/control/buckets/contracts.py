"""What buckets need of whoever runs the S3 store."""

from typing import Protocol

from modelyard.storage.objects import S3Location


class S3Store(Protocol):
    """An S3 server: our own or somebody else's. Safe from any thread."""

    def ready(self) -> S3Location:
        """Where it answers, with keys that may do everything there; starts it if need be, and waits for it.

        Raises:
            S3UnavailableError: there is none, or it does not come.
        """
