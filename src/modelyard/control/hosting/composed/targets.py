"""Models of a multi-model endpoint: loaded when a request first names them, the least recently used one goes.

Source: Amazon SageMaker Developer Guide, "Multi-model endpoints".
"""

import threading
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from modelyard.control.documents.errors import DocumentNotFoundError
from modelyard.control.documents.service import DocumentService
from modelyard.control.hosting.records import ENDPOINT, HostedEndpoint
from modelyard.control.hosting.service import HostingService
from modelyard.control.hosting.sources import Objects
from modelyard.kit.clock import Clock
from modelyard.kit.foreign_names import is_target, target_name
from modelyard.types.foreign.documents import Document
from modelyard.types.serving.hosting import ModelContainer

_USE_COUNTS_AFTER = timedelta(seconds=1)  # who asks often writes once a second


class LoadState(StrEnum):
    """READY: ask it. LOADING: look again. ABSENT: there is no such object. FAILED: it is no model."""

    READY = "ready"
    LOADING = "loading"
    ABSENT = "absent"
    FAILED = "failed"


class Load(NamedTuple):
    """How a target stands.

    Attributes:
        part: the name of its endpoint, as hosting knows it.
        reason: why it failed.
    """

    state: LoadState
    part: str
    reason: str = ""


class TargetModels:
    """What is loaded of multi-model endpoints. Safe from any thread.

    The last use of a target is when its part was last modified, so it outlives the process. What is loaded the gateway
    answers without asking; what it has counted tells of those uses some seconds later.

    Args:
        limit: how many are loaded at a time, of each endpoint.
    """

    def __init__(
        self, documents: DocumentService, service: HostingService, objects: Objects, clock: Clock, limit: int
    ) -> None:
        self._documents = documents
        self._service = service
        self._objects = objects
        self._clock = clock
        self._limit = limit
        self._loading = threading.Lock()

    def look(self, project: str, endpoint: str, hosted: HostedEndpoint, key: str) -> Load:
        """How the model of this key stands; one that is not loaded begins to be.

        A model that failed is forgotten once that was told: the next request tries again.
        """
        part = target_name(endpoint, key)
        document = self._documents.find(ENDPOINT, project, part)
        if document is None:
            return self._begin(project, endpoint, hosted, key)
        self._note_use(document)
        view = self._service.view(project, part)
        if view.failure is not None:
            self._service.remove_part(project, part)
            return Load(LoadState.FAILED, part, view.failure)
        return Load(LoadState.READY if view.is_serving else LoadState.LOADING, part)

    def note_use(self, project: str, part: str) -> None:
        """A part has been asked since the last time; any other endpoint is left as it is."""
        document = self._documents.find(ENDPOINT, project, part) if is_target(part) else None
        if document is not None:
            self._note_use(document)

    def _begin(self, project: str, endpoint: str, hosted: HostedEndpoint, key: str) -> Load:
        assert hosted.composition is not None  # noqa: S101 - what has targets is composed of them
        container, part = hosted.composition.containers[0], target_name(endpoint, key)
        uri = target_uri(container, key)
        if not self._objects.exists(project, uri):
            return Load(LoadState.ABSENT, part)
        own = ModelContainer(image=container.image, data_url=uri, environment=container.environment)
        with self._loading:
            self._make_room(project, endpoint)
            self._service.add_part(project, part, own, hosted.variants[0])
        if self._documents.find(ENDPOINT, project, endpoint) is None:  # it was deleted meanwhile
            self._service.remove_part(project, part)
        return Load(LoadState.LOADING, part)

    def _make_room(self, project: str, endpoint: str) -> None:
        loaded = sorted(self._service.parts(project, endpoint), key=lambda each: each.modified_at)
        for each in loaded[: max(0, len(loaded) - self._limit + 1)]:
            self._service.remove_part(project, each.name)

    def _note_use(self, document: Document) -> None:
        if self._clock.now() - document.modified_at < _USE_COUNTS_AFTER:
            return
        try:
            self._documents.update(ENDPOINT, document.project, document.name, lambda content: content)
        except DocumentNotFoundError:  # it was unloaded meanwhile: the next look loads it again
            return


def target_uri(container: ModelContainer, key: str) -> str:
    """The address of a target below the container's folder."""
    return f"{container.data_url.rstrip('/')}/{key.lstrip('/')}"
