"""Rules of endpoints: what may be wished for. The reconciler fulfils it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.endpoints.errors import EndpointDeletingError, EndpointExistsError, EndpointNotFoundError
from modelyard.control.endpoints.records import EndpointRecord, ServedVersion
from modelyard.control.endpoints.repository import EndpointRepository
from modelyard.control.endpoints.rollouts.lifecycle import Rollouts
from modelyard.control.endpoints.rollouts.plans import check_alike
from modelyard.control.endpoints.schemas import VariantSpec
from modelyard.control.endpoints.status import is_running
from modelyard.control.endpoints.variants import (
    check_replicas,
    check_variant,
    check_variants,
    fitted,
    rescaled,
    reweighted,
)
from modelyard.control.endpoints.views import EndpointViews
from modelyard.control.events.service import EventService
from modelyard.control.projects.errors import QuotaExceededError
from modelyard.control.rest.pages import Page, PageQuery
from modelyard.control.rest.preconditions import check_version
from modelyard.kit.clock import Clock
from modelyard.kit.ids import check_name
from modelyard.storage.creations import Creation, Creations
from modelyard.storage.database import Connection, Database
from modelyard.types.compute.scheduling import QuotaUse
from modelyard.types.endpoints import (
    CaptureRules,
    Endpoint,
    EndpointStatus,
    Replica,
    Rollout,
    RolloutPlan,
    Scaling,
    Variant,
)
from modelyard.types.signatures import Signature


class EndpointService:
    """Creates, changes, stops, starts and deletes endpoints, in every state they can be in.

    Every method only writes down the wish and returns at once; `wake` tells the reconciler that there is work.
    """

    def __init__(
        self,
        *,
        database: Database,
        repository: EndpointRepository,
        views: EndpointViews,
        rollouts: Rollouts,
        registry: RegistryClient,
        events: EventService,
        creations: Creations,
        clock: Clock,
        wake: Callable[[], None],
        default_capture_share: float,
    ) -> None:
        self._database = database
        self._repository = repository
        self._views = views
        self._rollouts = rollouts
        self._registry = registry
        self._events = events
        self._creations = creations
        self._clock = clock
        self._wake = wake
        self._default_capture_share = default_capture_share

    def get(self, project: str, name: str) -> Endpoint:
        """An endpoint as it is now.

        Raises:
            EndpointNotFoundError: there is none.
        """
        with self._database.read() as connection:
            return self._views.view(connection, self._found(connection, project, name))

    def create(
        self,
        project: str,
        name: str,
        variants: Sequence[VariantSpec],
        capture_share: float | None,
        creation: Creation | None,
        scaling: Scaling | None = None,
        capture: CaptureRules | None = None,
        *,
        stays_warm: bool = False,
    ) -> Endpoint:
        """A new endpoint; its replicas start in a moment.

        Raises:
            NameInvalidError: not a valid name.
            VariantsInvalidError: the variants cannot serve together.
            NotFoundError: the registry has no such model version.
            EndpointExistsError: the name is taken, also by an endpoint that is being deleted.
            QuotaExceededError: the project has as many endpoints as it may.
        """
        check_name(name)
        resolved, versions = self._resolve(project, variants)
        most = self._registry.quota(project).endpoints
        record = self._new(
            project,
            name,
            check_variants(resolved if scaling is None else fitted(resolved, scaling, ())),
            capture_share=self._default_capture_share if capture_share is None else capture_share,
            capture=capture,
            scaling=scaling,
            stays_warm=stays_warm,
        )
        with self._writing() as connection:
            made = self._creations.replay(connection, creation)
            if made is not None:
                return self._views.view(connection, self._found(connection, project, name))
            if self._repository.get(connection, project, name) is not None:
                raise EndpointExistsError(
                    f"There is an endpoint '{name}' already",
                    hint="Choose another name, or PATCH the endpoint to change what it serves.",
                    field="name",
                )
            if most is not None and self._repository.count(connection, project) >= most:
                raise QuotaExceededError(
                    f"Project '{project}' may have {most} endpoints and has as many",
                    hint="Delete one, or let an administrator raise the quota: modelyard project quota.",
                )
            self._keep(connection, versions)
            self._repository.insert(connection, record)
            self._creations.record(connection, creation, name)
            self._announce(connection, record, "endpoint_created", f"Endpoint '{name}' was created")
            return self._views.view(connection, record)

    def update(
        self,
        project: str,
        name: str,
        *,
        variants: Sequence[VariantSpec] | None,
        weights: dict[str, float] | None,
        capture_share: float | None,
        expected_version: int | None,
        scaling: Scaling | None = None,
        capture: CaptureRules | None = None,
        stays_warm: bool | None = None,
        plan: RolloutPlan | None = None,
    ) -> Endpoint:
        """Change variants, weights, scaling or what is captured.

        Other variants come by a rollout, in the stages of `plan`.

        Raises:
            EndpointNotFoundError: there is none.
            EndpointDeletingError: it is being deleted.
            PreconditionFailedError: it is not at `expected_version` any more.
            VariantsInvalidError, VariantNotFoundError: the variants cannot serve together.
            NotFoundError: the registry has no such model version.
        """
        resolved, versions = (None, ()) if variants is None else self._resolve(project, variants)
        with self._writing() as connection:
            record = self._changeable(connection, project, name, expected_version)
            self._keep(connection, versions)
            wanted = self._wanted(connection, record)
            target = wanted if resolved is None else resolved
            target = reweighted(target, weights or {})
            record = replace(record, scaling=scaling or record.scaling, capture=capture or record.capture)
            record = replace(record, stays_warm=record.stays_warm if stays_warm is None else stays_warm)
            if record.scaling is not None:
                target = fitted(target, record.scaling, wanted)
            if target != wanted:
                check_variants(target)
            if capture_share is not None:
                record = replace(record, capture_share=capture_share)
            if target != wanted and record.is_stopped:
                record = replace(record, variants=target)
            elif target != wanted:
                self._begin(connection, record, target, plan or RolloutPlan())
                begun = self._found(connection, project, name)
                kept = {name: getattr(record, name) for name in ("capture_share", "capture", "scaling", "stays_warm")}
                record = replace(begun, **kept)
            return self._save(connection, record, "endpoint_updated", f"Endpoint '{name}' was changed")

    def approve(self, project: str, name: str) -> Endpoint:
        """Agree that the new version of a rollout takes over once its stages are through.

        Raises:
            EndpointNotFoundError: there is none.
            NothingToApproveError: no rollout asks for it.
        """
        with self._writing() as connection:
            record = self._found(connection, project, name)
            self._rollouts.approve(connection, record)
            return self._views.view(connection, record)

    def roll_back(self, project: str, name: str) -> Endpoint:
        """Go back: from a rollout that is under way at once, else by a rollout to what was served before the last.

        Raises:
            EndpointNotFoundError: there is none.
            EndpointDeletingError: it is being deleted.
            NothingToRollBackError: there is nothing to go back to.
        """
        with self._writing() as connection:
            record = self._changeable(connection, project, name, None)
            if not self._rollouts.interrupt(connection, record, "it was rolled back by hand"):
                before = self._rollouts.previous(connection, record)
                self._rollouts.begin(connection, record, before, RolloutPlan())
            record = self._found(connection, project, name)
            return self._save(connection, record, "endpoint_updated", f"Endpoint '{name}' goes back")

    def scale(self, project: str, name: str, replicas: int, variant: str | None) -> Endpoint:
        """Another number of replicas for a variant, or for all; also while a rollout runs.

        Raises:
            EndpointNotFoundError: there is none.
            EndpointDeletingError: it is being deleted.
            VariantNotFoundError: it has no such variant.
            VariantsInvalidError: not a possible number.
        """
        check_replicas(replicas, "replicas")
        with self._writing() as connection:
            record = self._changeable(connection, project, name, None)
            wanted = self._wanted(connection, record)
            if variant is not None:
                check_variant((*record.variants, *wanted), variant, "variant")
            rollout = self._repository.last_rollout(connection, project, name)
            if rollout is not None and is_running(rollout):
                self._repository.set_rollout_target(connection, rollout.id, rescaled(wanted, variant, replicas))
            record = replace(record, variants=rescaled(record.variants, variant, replicas), scaling=None)
            what = f"Endpoint '{name}' was scaled to {replicas} replicas"
            return self._save(connection, record, "endpoint_scaled", what)

    def stop(self, project: str, name: str) -> Endpoint:
        """End its replicas and keep everything else; no effect on one that is stopped.

        Raises:
            EndpointNotFoundError: there is none.
            EndpointDeletingError: it is being deleted.
        """
        with self._writing() as connection:
            record = self._changeable(connection, project, name, None)
            if record.is_stopped:
                return self._views.view(connection, record)
            self._rollouts.interrupt(connection, record, "the endpoint was stopped")
            record = replace(self._found(connection, project, name), is_stopped=True)
            return self._save(connection, record, "endpoint_stopped", f"Endpoint '{name}' was stopped")

    def start(self, project: str, name: str) -> Endpoint:
        """Start its replicas again; no effect on one that is not stopped.

        Raises:
            EndpointNotFoundError: there is none.
            EndpointDeletingError: it is being deleted.
        """
        with self._writing() as connection:
            record = self._changeable(connection, project, name, None)
            if not record.is_stopped:
                return self._views.view(connection, record)
            record = replace(record, is_stopped=False, status=EndpointStatus.CREATING)
            return self._save(connection, record, "endpoint_started", f"Endpoint '{name}' was started")

    def delete(self, project: str, name: str, expected_version: int | None) -> Endpoint:
        """Take it out of service at once, whatever it is doing; it is gone when its last replica has ended.

        Raises:
            EndpointNotFoundError: there is none.
            PreconditionFailedError: it is not at `expected_version` any more.
        """
        with self._writing() as connection:
            record = self._found(connection, project, name)
            if record.is_deleting:
                return self._views.view(connection, record)
            check_version(f"endpoint '{name}'", record.version, expected_version)
            self._rollouts.interrupt(connection, record, "the endpoint was deleted")
            record = replace(self._found(connection, project, name), is_deleting=True)
            return self._save(connection, record, "endpoint_deleting", f"Endpoint '{name}' is being deleted")

    def list_rollouts(self, project: str, name: str, page: PageQuery) -> Page[Rollout]:
        """Rollouts of an endpoint, newest first.

        Raises:
            EndpointNotFoundError: there is none.
        """
        with self._database.read() as connection:
            self._found(connection, project, name)
            found = self._repository.list_rollouts(connection, project, name, page)
            return page.page(found, lambda rollout: (rollout.id,))

    def capture_retention(self) -> Mapping[tuple[str, str], timedelta]:
        """(project, endpoint) -> how long its captures are kept, for endpoints with a rule of their own."""
        with self._database.read() as connection:
            records = self._repository.all(connection)
        return {
            (record.project, record.name): timedelta(days=record.capture.retention_days)
            for record in records
            if record.capture is not None and record.capture.retention_days is not None
        }

    def signature(self, project: str, version: str) -> Signature | None:
        """What a version ("digits:2") takes and gives, if an endpoint has ever served it."""
        model, _, number = version.rpartition(":")
        with self._database.read() as connection:
            found = self._repository.version(connection, project, model, int(number))
        return None if found is None else found.signature

    def running_replicas(self) -> list[tuple[str, str, Replica]]:
        """(project, endpoint, replica) of every replica whose process lives now."""
        with self._database.read() as connection:
            views = [self._views.view(connection, record) for record in self._repository.all(connection)]
        return [(view.project, view.name, replica) for view in views for replica in view.replicas if replica.pid]

    def usage(self, project: str) -> QuotaUse:
        """How many endpoints a project has, beside how many it may."""
        most = self._registry.quota(project).endpoints
        with self._database.read() as connection:
            return QuotaUse(name="endpoints", used=self._repository.count(connection, project), limit=most)

    def is_empty(self, project: str) -> bool:
        """True if the project has no endpoint."""
        with self._database.read() as connection:
            return not self._repository.list(connection, project, PageQuery(limit=1))

    def list(self, project: str, page: PageQuery) -> Page[Endpoint]:
        """Endpoints of a project by name."""
        with self._database.read() as connection:
            records = page.page(self._repository.list(connection, project, page), lambda record: (record.name,))
            items = [self._views.view(connection, record) for record in records.items]
            return Page(items=items, next_cursor=records.next_cursor)

    def _new(
        self,
        project: str,
        name: str,
        variants: tuple[Variant, ...],
        *,
        capture_share: float,
        capture: CaptureRules | None,
        scaling: Scaling | None,
        stays_warm: bool,
    ) -> EndpointRecord:
        now = self._clock.now()
        return EndpointRecord(
            project=project,
            name=name,
            variants=variants,
            capture_share=capture_share,
            capture=capture,
            scaling=scaling,
            stays_warm=stays_warm,
            is_stopped=False,
            is_deleting=False,
            status=EndpointStatus.CREATING,
            reason="",
            deployed=(),
            created_at=now,
            updated_at=now,
            version=1,
        )

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction after whose commit the reconciler is woken."""
        with self._database.transaction() as connection:
            yield connection
        self._wake()

    def _resolve(
        self, project: str, specs: Sequence[VariantSpec]
    ) -> tuple[tuple[Variant, ...], tuple[ServedVersion, ...]]:
        """Look the versions up in the registry, outside any transaction."""
        variants, versions = [], []
        for spec in specs:
            version = self._registry.model_version(project, spec.ref)
            variants.append(
                Variant(
                    name=spec.name,
                    model=version.model,
                    number=version.number,
                    weight=spec.weight,
                    replicas=spec.replicas,
                    resources=spec.resources,
                    is_isolated=spec.is_isolated,
                    answers=spec.answers,
                    title=spec.title,
                )
            )
            versions.append(
                ServedVersion(
                    project=project,
                    model=version.model,
                    number=version.number,
                    digest=version.digest,
                    signature=version.manifest.signature,
                    is_pure=version.manifest.is_pure,
                )
            )
        return tuple(variants), tuple(versions)

    def _begin(
        self, connection: Connection, record: EndpointRecord, target: tuple[Variant, ...], plan: RolloutPlan
    ) -> None:
        if plan.stages:
            versions = [
                found
                for each in (*record.variants, *target)
                if (found := self._repository.version(connection, record.project, each.model, each.number))
            ]
            check_alike(versions)
        self._rollouts.begin(connection, record, target, plan)

    def _keep(self, connection: Connection, versions: Sequence[ServedVersion]) -> None:
        for version in versions:
            self._repository.put_version(connection, version)

    def _wanted(self, connection: Connection, record: EndpointRecord) -> tuple[Variant, ...]:
        """The variants that the last change asked for."""
        rollout = self._repository.last_rollout(connection, record.project, record.name)
        return rollout.to_variants if rollout is not None and is_running(rollout) else record.variants

    def _save(self, connection: Connection, record: EndpointRecord, kind: str, message: str) -> Endpoint:
        """Store a wish as the next version and announce it."""
        saved = replace(record, version=record.version + 1, updated_at=self._clock.now())
        self._repository.update(
            connection,
            record.project,
            record.name,
            variants=saved.variants,
            capture_share=saved.capture_share,
            capture=saved.capture,
            scaling=saved.scaling,
            stays_warm=saved.stays_warm,
            is_stopped=saved.is_stopped,
            is_deleting=saved.is_deleting,
            status=saved.status,
            updated_at=saved.updated_at,
            version=saved.version,
        )
        self._announce(connection, saved, kind, message)
        return self._views.view(connection, saved)

    def _announce(self, connection: Connection, record: EndpointRecord, kind: str, message: str) -> None:
        self._events.append(record.project, record.subject, kind, message, connection=connection)

    def _changeable(
        self, connection: Connection, project: str, name: str, expected_version: int | None
    ) -> EndpointRecord:
        record = self._found(connection, project, name)
        if record.is_deleting:
            raise EndpointDeletingError(
                f"Endpoint '{name}' is being deleted", hint="Wait until it is gone, then create it anew."
            )
        check_version(f"endpoint '{name}'", record.version, expected_version)
        if record.resting is not None:  # whoever changes it finds it as it was before it rested
            awake = record.awake()
            self._repository.update(connection, project, name, variants=awake.variants, resting=None)
            return awake
        return record

    def _found(self, connection: Connection, project: str, name: str) -> EndpointRecord:
        record = self._repository.get(connection, project, name)
        if record is None:
            raise EndpointNotFoundError(
                f"There is no endpoint '{name}' in project '{project}'", hint="GET .../endpoints lists them."
            )
        return record
