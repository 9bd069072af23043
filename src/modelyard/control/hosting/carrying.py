"""Carries out what hosting was asked for: registers models, makes and changes endpoints. Every step may run twice."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import structlog

from modelyard.control.documents.errors import DocumentNotFoundError
from modelyard.control.documents.service import DocumentService
from modelyard.control.endpoints.errors import EndpointExistsError
from modelyard.control.endpoints.schemas import VariantSpec
from modelyard.control.endpoints.service import EndpointService
from modelyard.control.hosting.alarms.alarms import MetricAlarms
from modelyard.control.hosting.records import (
    ENDPOINT,
    MODEL,
    MOST_REPLICAS,
    TASK,
    Change,
    HostedEndpoint,
    Phase,
    of_content,
    share_of,
    to_content,
)
from modelyard.control.hosting.registration import ModelRegistration
from modelyard.control.hosting.service import HostingService
from modelyard.errors import ModelyardError, NotFoundError, TemporaryError
from modelyard.kit.foreign_names import container_name, own_name
from modelyard.types.endpoints import RolloutStatus, Scaling
from modelyard.types.serving.hosting import Composition, CompositionMode, HostedModel, HostedVariant

_AT_A_TIME = 2
_IDLE_SECONDS = 300.0
_log = structlog.get_logger(__name__)


class HostingCarrier:
    """One round at a time; registrations, which take seconds, run beside it."""

    def __init__(
        self,
        service: HostingService,
        documents: DocumentService,
        endpoints: EndpointService,
        registration: ModelRegistration,
        alarms: MetricAlarms,
    ) -> None:
        self._service = service
        self._documents = documents
        self._endpoints = endpoints
        self._registration = registration
        self._alarms = alarms
        self._pool = ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="hosting")
        self._running: dict[str, Future[None]] = {}
        self._lock = threading.Lock()

    def run_once(self) -> None:
        """Look at everything that is still to be done."""
        for task in list(self._documents.every(TASK, "")):
            kind, project, name = (str(task.content[key]) for key in ("kind", "project", "name"))
            if kind == MODEL:
                self._begin(task.name, project, name)
            elif self._advance(project, name):
                self._documents.discard(TASK, "", task.name)

    def _begin(self, task: str, project: str, name: str) -> None:
        with self._lock:
            running = self._running.get(task)
            if running is None or running.done():
                self._running[task] = self._pool.submit(self._register, task, project, name)

    def _register(self, task: str, project: str, name: str) -> None:
        try:
            document = self._documents.get(MODEL, project, name)
            hosted = of_content(document.content, HostedModel)
            key = f"hosting-{name}-{document.created_at.timestamp()}"
            version, answers = self._registration.register(project, name, hosted.container, key)
            hosted = replace(hosted, version=version, answers=answers)
        except DocumentNotFoundError:
            self._documents.discard(TASK, "", task)
            return
        except TemporaryError as error:
            _log.warning("model_registration_waits", project=project, model=name, reason=error.message)
            return
        except ModelyardError as error:
            hosted = replace(hosted, failure=_words(error))
        except Exception:  # noqa: BLE001 - the endpoint says that it failed; nothing else waits for this thread
            _log.exception("model_registration_failed", project=project, model=name)
            hosted = replace(
                hosted, failure="The platform met a defect while it registered the model: see control.log."
            )
        with suppress(DocumentNotFoundError):  # it was deleted meanwhile
            self._documents.update(MODEL, project, name, lambda _: to_content(hosted))
        self._documents.discard(TASK, "", task)
        self._service.awake.set()

    def _advance(self, project: str, name: str) -> bool:
        """One step of an endpoint; True if nothing is left to do for it."""
        document = self._documents.find(ENDPOINT, project, name)
        if document is None:
            return True
        hosted = of_content(document.content, HostedEndpoint)
        try:
            after = self._stepped(project, name, hosted)
        except TemporaryError as error:
            _log.warning("hosting_waits", project=project, endpoint=name, reason=error.message)
            return False
        except ModelyardError as error:
            after = _given_up(hosted, _words(error))
        if after != hosted:
            try:
                self._documents.update(ENDPOINT, project, name, lambda _: to_content(after))
            except DocumentNotFoundError:  # it was deleted meanwhile: what this step has made goes too
                self._service.delete_endpoint(project, name)
        return after.phase in (Phase.SERVED, Phase.FAILED)

    def _stepped(self, project: str, name: str, hosted: HostedEndpoint) -> HostedEndpoint:
        change = hosted.change
        if hosted.phase is Phase.WAITING and hosted.composition is not None:
            return self._composed(project, name, hosted, hosted.composition)
        if hosted.phase is Phase.WAITING:
            specs = self._specs(project, hosted.variants)
            return hosted if specs is None else self._made(project, name, hosted, specs)
        if hosted.phase is Phase.CHANGING and change is not None:
            specs = self._specs(project, change.variants)
            return hosted if specs is None else self._changed(project, name, hosted, change, specs)
        if hosted.phase is Phase.MOVING and change is not None:
            return self._moved(project, name, hosted, change)
        return hosted

    def _composed(self, project: str, name: str, hosted: HostedEndpoint, composition: Composition) -> HostedEndpoint:
        """Its parts go their own ways; of models by target none is there before a request names it."""
        for container in composition.containers if composition.mode is not CompositionMode.TARGETS else ():
            part = container_name(name, container.hostname)
            if not self._service.add_part(project, part, container, hosted.variants[0]):
                return hosted
        return replace(hosted, phase=Phase.SERVED)

    def _specs(self, project: str, variants: Sequence[HostedVariant]) -> list[VariantSpec] | None:
        """Our variants; None while a model is still being registered.

        Raises:
            NotFoundError: a model is not there any more, or could not be registered.
        """
        models = [self._service.model(project, variant.model) for variant in variants]
        for variant, model in zip(variants, models, strict=True):
            if model.failure:
                raise NotFoundError(f"Model '{variant.model}' cannot be served. {model.failure}")
        if not all(model.version for model in models):
            return None
        return [
            VariantSpec(
                name=own_name(variant.name),
                title=variant.name,
                model=model.version,
                weight=variant.weight,
                replicas=max(1, min(variant.instances, MOST_REPLICAS)),
                answers=model.answers,
            )
            for variant, model in zip(variants, models, strict=True)
        ]

    def _made(self, project: str, name: str, hosted: HostedEndpoint, specs: list[VariantSpec]) -> HostedEndpoint:
        with suppress(EndpointExistsError):  # made by a round that was killed before it could say so
            self._endpoints.create(
                project,
                own_name(name),
                specs,
                share_of(hosted.capture),
                None,
                _scaling(hosted.variants),
                stays_warm=_scaling(hosted.variants) is None,
            )
        return replace(hosted, phase=Phase.SERVED)

    def _changed(
        self, project: str, name: str, hosted: HostedEndpoint, change: Change, specs: list[VariantSpec]
    ) -> HostedEndpoint:
        before = self._endpoints.get(project, own_name(name))
        after = self._endpoints.update(
            project,
            own_name(name),
            variants=specs,
            weights=None,
            capture_share=share_of(change.capture),
            expected_version=None,
            scaling=_scaling(change.variants),
            plan=change.plan,
        )
        is_new = after.rollout is not None and (before.rollout is None or before.rollout.id != after.rollout.id)
        if not is_new or after.rollout is None:  # the same versions: nothing has to move
            return _settled(hosted, change)
        return replace(hosted, phase=Phase.MOVING, change=replace(change, rollout=after.rollout.id))

    def _moved(self, project: str, name: str, hosted: HostedEndpoint, change: Change) -> HostedEndpoint:
        rollout = self._endpoints.get(project, own_name(name)).rollout
        if rollout is not None and rollout.id == change.rollout and rollout.status is RolloutStatus.RUNNING:
            alarm = self._alarms.firing(project, change.alarms)
            if not alarm:
                return hosted
            self._endpoints.roll_back(project, own_name(name))
            return _given_up(hosted, f"The update was rolled back while the traffic moved. {alarm}")
        if rollout is None or rollout.id != change.rollout or rollout.status is RolloutStatus.COMPLETED:
            return _settled(hosted, change)
        return replace(hosted, phase=Phase.SERVED, change=None, reason=rollout.reason)


def _settled(hosted: HostedEndpoint, change: Change) -> HostedEndpoint:
    return replace(
        hosted,
        phase=Phase.SERVED,
        label=change.label,
        variants=change.variants,
        capture=change.capture,
        change=None,
    )


def _given_up(hosted: HostedEndpoint, reason: str) -> HostedEndpoint:
    phase = Phase.FAILED if hosted.phase is Phase.WAITING else Phase.SERVED
    return replace(hosted, phase=phase, change=None, reason=reason)


def _scaling(variants: Sequence[HostedVariant]) -> Scaling | None:
    """Of a serverless variant: none while nobody asks, and as many as its concurrency needs."""
    serverless = next((each for each in variants if each.max_concurrency is not None), None)
    if serverless is None or serverless.max_concurrency is None:
        return None
    return Scaling(
        minimum_replicas=min(serverless.provisioned, MOST_REPLICAS),
        maximum_replicas=max(1, min(serverless.max_concurrency, MOST_REPLICAS)),
        idle_seconds=_IDLE_SECONDS,
    )


def _words(error: ModelyardError) -> str:
    return f"{error.message.rstrip('.')}. {error.hint}".strip()
