"""Which project has which bucket. Names are unique in the whole platform, as they are at Amazon."""

import threading

from modelyard.control.buckets.errors import BucketNotFoundError, BucketTakenError
from modelyard.control.documents.errors import DocumentExistsError
from modelyard.control.documents.service import DocumentService
from modelyard.kit.clock import Clock
from modelyard.types.foreign.documents import Document

_KIND = "s3-bucket"
_BELIEVED_SECONDS = 5.0


class BucketService:
    """Owners of buckets. Safe from any thread."""

    def __init__(self, documents: DocumentService, clock: Clock) -> None:
        self._documents = documents
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, str]] = {}

    def owner(self, bucket: str) -> str | None:
        """The project of a bucket, None if there is no such bucket; may be five seconds old."""
        known = self._known.get(bucket)
        if known is not None and self._clock.monotonic() < known[0]:
            return known[1]
        found = self._documents.find(_KIND, "", bucket)
        if found is None:
            return None
        project = str(found.content["project"])
        with self._lock:
            self._known = {**self._known, bucket: (self._clock.monotonic() + _BELIEVED_SECONDS, project)}
        return project

    def check(self, bucket: str, project: str) -> None:
        """Nothing if the project has this bucket.

        Raises:
            BucketNotFoundError: it has not, whether another project has or not.
        """
        if self.owner(bucket) != project:
            raise BucketNotFoundError(
                f"Project '{project}' has no bucket '{bucket}'", hint="Create it, or use one that `list_buckets` shows."
            )

    def region(self, bucket: str) -> str:
        """The region that its maker has named; empty: there is no such bucket, or none was named."""
        found = self._documents.find(_KIND, "", bucket)
        return "" if found is None else str(found.content.get("region", ""))

    def claim(self, bucket: str, project: str, region: str = "") -> None:
        """Make a bucket the project's; of the region it is only remembered.

        Raises:
            BucketTakenError: it belongs to a project already.
        """
        try:
            self._documents.create(_KIND, "", bucket, {"project": project, "region": region})
        except DocumentExistsError:
            raise BucketTakenError(f"There is a bucket '{bucket}' already", hint="Choose another name.") from None

    def release(self, bucket: str) -> None:
        """Forget a bucket that is gone."""
        self._documents.discard(_KIND, "", bucket)
        with self._lock:
            self._known = {name: value for name, value in self._known.items() if name != bucket}

    def of(self, project: str) -> list[Document]:
        """The buckets of a project by name."""
        return [each for each in self._documents.every(_KIND, "") if each.content["project"] == project]

    def owners(self) -> dict[str, list[str]]:
        """Every bucket, by its project."""
        found: dict[str, list[str]] = {}
        for each in self._documents.every(_KIND, ""):
            found.setdefault(str(each.content["project"]), []).append(each.name)
        return found
