"""Which of several control processes on one database has the S3 store: its buckets lie on one machine's disk."""

from modelyard.control.documents.errors import DocumentExistsError
from modelyard.control.documents.service import DocumentService

_KIND, _NAME = "s3-store", "keeper"


class StoreKeeper:
    """Who keeps the store: the first that wants one, for good. Safe from any thread.

    Args:
        documents: remember it.
        name: of this process among those of its database; empty: it is alone there.
    """

    def __init__(self, documents: DocumentService, name: str) -> None:
        self._documents = documents
        self._name = name
        self._is_ours = not name

    def __call__(self) -> str:
        """The other process that keeps it; empty: this one does."""
        if self._is_ours:
            return ""
        found = self._documents.find(_KIND, "", _NAME)
        if found is None:
            try:
                found = self._documents.create(_KIND, "", _NAME, {"control": self._name})
            except DocumentExistsError:  # another process was quicker
                found = self._documents.get(_KIND, "", _NAME)
        keeper = str(found.content["control"])
        self._is_ours = keeper == self._name
        return "" if self._is_ours else keeper
