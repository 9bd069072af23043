"""Rules of hosting: wishes are written down at once, `carrying` fulfils them."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from modelyard.control.documents.errors import DocumentExistsError, DocumentNotFoundError
from modelyard.control.documents.service import DocumentService
from modelyard.control.endpoints.errors import EndpointExistsError, EndpointNotFoundError
from modelyard.control.endpoints.service import EndpointService
from modelyard.control.hosting.records import (
    ENDPOINT,
    MODEL,
    MOST_REPLICAS,
    TASK,
    Change,
    EndpointView,
    HostedEndpoint,
    Phase,
    of_content,
    to_content,
)
from modelyard.errors import ConflictError, NotFoundError
from modelyard.kit.foreign_names import container_name, is_part_of, own_name
from modelyard.types.endpoints import Endpoint, EndpointStatus, Scaling
from modelyard.types.foreign.documents import Document, DocumentFilter
from modelyard.types.serving.hosting import (
    Composition,
    CompositionMode,
    DataCapture,
    HostedModel,
    HostedVariant,
    ModelContainer,
)

_ANSWERING = (EndpointStatus.READY, EndpointStatus.DEGRADED)


class HostingService:
    """Models and endpoints under names of other systems. Safe from any thread.

    Args:
        documents: where wishes are written down.
        endpoints: ours.
        is_followed: whether the gateways work by what one of ours is now.
        has_object: whether a project has an object of this s3:// address.

    Attributes:
        awake: set when there is something to carry out.
    """

    def __init__(
        self,
        documents: DocumentService,
        endpoints: EndpointService,
        is_followed: Callable[[Endpoint], bool] = lambda _endpoint: True,
        has_object: Callable[[str, str], bool] = lambda _project, _uri: True,
    ) -> None:
        self._has_object = has_object
        self._is_followed = is_followed
        self._documents = documents
        self._endpoints = endpoints
        self.awake = threading.Event()

    def has_data(self, project: str, container: ModelContainer) -> bool:
        """Whether what the container is to serve is there.

        Raises:
            S3UriInvalidError: its address is none.
        """
        try:
            return not container.data_url or self._has_object(project, container.data_url)
        except NotFoundError:  # no bucket of the project's
            return False

    def add_model(self, project: str, name: str, container: ModelContainer) -> None:
        """A model, which is registered in a moment.

        Raises:
            DocumentExistsError: the name is taken.
        """
        self._documents.create(MODEL, project, name, to_content(HostedModel(container=container)))
        self._ask(MODEL, project, name)

    def model(self, project: str, name: str) -> HostedModel:
        """A model.

        Raises:
            DocumentNotFoundError: there is none.
        """
        return of_content(self._documents.get(MODEL, project, name).content, HostedModel)

    def remove_model(self, project: str, name: str) -> None:
        """Forget a model; the version in the registry stays, and whatever serves it goes on."""
        self._documents.discard(MODEL, project, name)

    def create_endpoint(
        self,
        project: str,
        name: str,
        label: str,
        variants: tuple[HostedVariant, ...],
        capture: DataCapture | None,
        composition: Composition | None = None,
    ) -> None:
        """An endpoint, which is made once its models are registered; with a `composition` it consists of parts.

        Raises:
            EndpointExistsError: the name is taken.
        """
        if self.view(project, name).own is not None:
            raise EndpointExistsError(f"There is an endpoint '{name}' already", hint="Choose another name.")
        wished = HostedEndpoint(label=label, variants=variants, capture=capture, composition=composition)
        self._documents.create(ENDPOINT, project, name, to_content(wished))
        self._ask(ENDPOINT, project, name)

    def change_endpoint(self, project: str, name: str, change: Change) -> None:
        """Other variants, which take over once their models are registered and their replicas are ready.

        Raises:
            EndpointNotFoundError: there is none.
            ConflictError: a change is under way, or it was never made.
        """

        def wish(content: dict[str, object]) -> dict[str, object]:
            hosted = of_content(content, HostedEndpoint)
            if hosted.phase is not Phase.SERVED:
                raise ConflictError(
                    f"Endpoint '{name}' cannot be changed while it is {hosted.phase}", hint="Wait, or delete it."
                )
            return to_content(replace(hosted, phase=Phase.CHANGING, change=change, reason=""))

        try:
            self._documents.update(ENDPOINT, project, name, wish)
        except DocumentNotFoundError:
            raise _no_endpoint(name) from None
        self._ask(ENDPOINT, project, name)

    def set_capacities(self, project: str, name: str, wished: tuple[HostedVariant, ...]) -> None:
        """Other weights and numbers of replicas for the variants of these names, at once.

        Raises:
            EndpointNotFoundError: there is none.
            VariantNotFoundError: it has no such variant.
        """
        before = self._served(project, name)
        counts = {variant.name: variant.replicas for variant in before.variants}
        weights = {own_name(each.name): each.weight for each in wished}
        self._endpoints.update(
            project, own_name(name), variants=None, weights=weights, capture_share=None, expected_version=None
        )
        fixed = (each for each in wished if before.scaling is None and each.max_concurrency is None)
        for each in fixed:
            wanted = max(1, min(each.instances, MOST_REPLICAS))  # as when it was made
            if counts.get(own_name(each.name)) != wanted:
                self._endpoints.scale(project, own_name(name), wanted, own_name(each.name))
        changed = {each.name: each for each in wished}

        def note(content: dict[str, object]) -> dict[str, object]:
            hosted = of_content(content, HostedEndpoint)
            return to_content(replace(hosted, variants=tuple(changed.get(v.name, v) for v in hosted.variants)))

        self._documents.update(ENDPOINT, project, name, note)

    def scale_between(self, project: str, name: str, scaling: Scaling) -> None:
        """Let the load decide how many replicas each variant has.

        Raises:
            EndpointNotFoundError: it is not there, or not made yet.
        """
        self._served(project, name)
        self._endpoints.update(
            project,
            own_name(name),
            variants=None,
            weights=None,
            capture_share=None,
            expected_version=None,
            scaling=scaling,
        )

    def fix_scale(self, project: str, name: str, least: int = 1, most: int = MOST_REPLICAS) -> None:
        """Keep the number of replicas that each variant has now, or the nearest between the two.

        Raises:
            EndpointNotFoundError: it is not there, or not made yet.
        """
        for variant in self._served(project, name).variants:
            wanted = min(max(variant.replicas, least, 1), max(most, 1), MOST_REPLICAS)
            self._endpoints.scale(project, own_name(name), wanted, variant.name)

    def delete_endpoint(self, project: str, name: str) -> None:
        """End an endpoint, whatever it is doing; no effect on one that is not there."""
        self._remove_parts(project, name)  # first, so that a killed process leaves none behind
        self._end(project, name)
        self._remove_parts(project, name)  # what a request has loaded in between

    def add_part(self, project: str, name: str, container: ModelContainer, variant: HostedVariant) -> bool:
        """A model and an endpoint of its own for a part; the same part again changes nothing.

        Returns:
            False while an earlier part of this name is still coming to its end: ask again.
        """
        before = self.view(project, name)
        if before.hosted is None and before.own is not None:
            return False
        hosted = HostedEndpoint(label="", variants=(replace(variant, model=name, weight=1.0),))
        for kind, content in ((MODEL, HostedModel(container=container)), (ENDPOINT, hosted)):
            with suppress(DocumentExistsError):
                self._documents.create(kind, project, name, to_content(content))
            self._ask(kind, project, name)
        return True

    def remove_part(self, project: str, name: str) -> None:
        """End a part."""
        self.remove_model(project, name)
        self._end(project, name)

    def parts(self, project: str, endpoint: str) -> list[Document]:
        """The parts of an endpoint that there are."""
        chosen = DocumentFilter(name_contains=endpoint)
        return [each for each in self._documents.every(ENDPOINT, project, chosen) if is_part_of(endpoint, each.name)]

    def _end(self, project: str, name: str) -> None:
        self._documents.discard(ENDPOINT, project, name)
        with suppress(EndpointNotFoundError):
            self._endpoints.delete(project, own_name(name), None)

    def _remove_parts(self, project: str, endpoint: str) -> None:
        for each in self.parts(project, endpoint):
            self.remove_part(project, each.name)

    def view(self, project: str, name: str) -> EndpointView:
        """An endpoint as it is now."""
        found = self._documents.find(ENDPOINT, project, name)
        own: Endpoint | None = None
        with suppress(EndpointNotFoundError):
            own = self._endpoints.get(project, own_name(name))
        hosted = None if found is None else of_content(found.content, HostedEndpoint)
        composition = None if hosted is None else hosted.composition
        if composition is None or composition.mode is CompositionMode.TARGETS:
            is_followed = own is None or own.status not in _ANSWERING or self._is_followed(own)
            return EndpointView(hosted, own, is_followed=is_followed)
        parts = (container_name(name, container.hostname) for container in composition.containers)
        return EndpointView(hosted, own, tuple(self.view(project, part) for part in parts))

    def _served(self, project: str, name: str) -> Endpoint:
        found = self.view(project, name)
        if found.hosted is None or found.own is None:
            raise _no_endpoint(name)
        return found.own

    def _ask(self, kind: str, project: str, name: str) -> None:
        task = f"{kind}/{project}/{name}"
        if self._documents.find(TASK, "", task) is None:
            self._documents.create(TASK, "", task, {"kind": kind, "project": project, "name": name})
        self.awake.set()


def _no_endpoint(name: str) -> EndpointNotFoundError:
    return EndpointNotFoundError(f"There is no endpoint '{name}'", hint="CreateEndpoint makes one.")
