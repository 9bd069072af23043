"""Puts the parts of this capability together, for the server and for tests."""

import threading
from collections.abc import Callable, Sequence

from modelyard.control.clients.contracts import RegistryClient
from modelyard.control.endpoints.hosting.hosts import Hosts
from modelyard.control.endpoints.hosting.policy import HostingPolicy
from modelyard.control.endpoints.planning.measuring import Measurer
from modelyard.control.endpoints.planning.service import PlanningService
from modelyard.control.endpoints.reconciliation.bundles import BundleCache
from modelyard.control.endpoints.reconciliation.deployments import Deployments
from modelyard.control.endpoints.reconciliation.keeper import ReplicaKeeper
from modelyard.control.endpoints.reconciliation.launch import Launcher
from modelyard.control.endpoints.reconciliation.processes import ReplicaProcesses
from modelyard.control.endpoints.reconciliation.reconciler import Reconciler
from modelyard.control.endpoints.reconciliation.routes import RoutingFile
from modelyard.control.endpoints.reconciliation.tasks import Tasks
from modelyard.control.endpoints.reconciliation.timing import Timing
from modelyard.control.endpoints.repository import EndpointRepository, ReplicaRepository
from modelyard.control.endpoints.rollouts.lifecycle import Rollouts
from modelyard.control.endpoints.rollouts.stages import Concern, StageInspector
from modelyard.control.endpoints.rollouts.watching import StageWatch
from modelyard.control.endpoints.scaling.activity import Activity
from modelyard.control.endpoints.scaling.autoscaler import Autoscaler
from modelyard.control.endpoints.scaling.resting import IdlePolicy, Rest
from modelyard.control.endpoints.service import EndpointService
from modelyard.control.endpoints.views import EndpointViews
from modelyard.control.environments.building import EnvironmentBuilder
from modelyard.control.events.service import EventService
from modelyard.dataplane.demand import DemandFollower
from modelyard.engines.base import Engine
from modelyard.kit.clock import Clock
from modelyard.kit.host import observe_host
from modelyard.settings import Home
from modelyard.storage.creations import Creations
from modelyard.storage.database import Database
from modelyard.types.routing import RouteToken


def assemble(
    *,
    database: Database,
    registry: RegistryClient,
    engine: Engine,
    events: EventService,
    tokens: Callable[[], Sequence[RouteToken]],
    home: Home,
    clock: Clock,
    capture_share: float = 1.0,
    timing: Timing | None = None,
    saturation: Callable[[], str] = lambda: "",
    concern: Concern = lambda _record, _rollout: "",
    hosting: HostingPolicy | None = None,
    keeps: Callable[[], bool] = lambda: True,
    idle_policy: IdlePolicy | None = None,
) -> tuple[EndpointService, Reconciler]:
    """The service for routes and other capabilities, and the reconciler, whose `tick` is to be called again and again.

    Args:
        database: of the Operations application.
        registry: where versions and their bundles are.
        engine: where replicas run.
        events: receives what happens.
        tokens: who may call the gateway.
        home: bundles are cached in it, sockets and the routing table lie in it.
        clock: the time.
        capture_share: of new endpoints that name none.
        timing: how long to wait for what.
        saturation: why this machine can take no further replica, or "".
        concern: see StageInspector.
        hosting: which models share processes, and how many wait; None: each replica has a worker of its own.
        keeps: whether the replicas are this process's, of those on the same database.
        idle_policy: after how long endpoints rest; None: never.
    """
    timing, awake = timing or Timing(), threading.Event()
    endpoints, replicas, tasks = EndpointRepository(), ReplicaRepository(), Tasks(clock, awake.set)
    processes, hosts = _processes(database, engine, home, hosting, timing)
    inspector = StageInspector(StageWatch(DemandFollower(home.demand)), concern, clock)
    rollouts = Rollouts(database, endpoints, events, clock, inspector)
    reconciler = Reconciler(
        database=database,
        endpoints=endpoints,
        replicas=replicas,
        keeper=_keeper(database, registry, engine, processes, home, events, tasks, clock, timing),
        rollouts=rollouts,
        autoscaler=_autoscaler(database, home, saturation, events, clock, idle_policy),
        deployments=Deployments(database, endpoints, registry, tasks, timing),
        routing=RoutingFile(home.routing, tokens, clock, timing.token_seconds),
        address=processes.address,
        hosts=hosts,
        tasks=tasks,
        engine=engine,
        events=events,
        clock=clock,
        timing=timing,
        awake=awake,
    )
    views = EndpointViews(endpoints, replicas, processes, inspector, keeps)
    return make_service(database, views, rollouts, registry, events, clock, awake.set, capture_share), reconciler


def _processes(
    database: Database, engine: Engine, home: Home, policy: HostingPolicy | None, timing: Timing
) -> tuple[ReplicaProcesses, Hosts | None]:
    hosts = None if policy is None else _hosts(database, engine, home, policy, timing)
    return ReplicaProcesses(engine, hosts, home.sockets), hosts


def _keeper(
    database: Database,
    registry: RegistryClient,
    engine: Engine,
    processes: ReplicaProcesses,
    home: Home,
    events: EventService,
    tasks: Tasks,
    clock: Clock,
    timing: Timing,
) -> ReplicaKeeper:
    bundles = BundleCache(home.cache / "bundles", registry)
    return ReplicaKeeper(
        database=database,
        repository=ReplicaRepository(),
        engine=engine,
        processes=processes,
        launcher=Launcher(engine, processes, bundles, EnvironmentBuilder(engine, home.environments), timing),
        events=events,
        tasks=tasks,
        clock=clock,
        timing=timing,
    )


def _hosts(database: Database, engine: Engine, home: Home, policy: HostingPolicy, timing: Timing) -> Hosts:
    return Hosts(
        database=database,
        repository=ReplicaRepository(),
        engine=engine,
        folder=home.sockets,
        policy=policy,
        hang_seconds=timing.hang_seconds,
    )


def _autoscaler(
    database: Database,
    home: Home,
    saturation: Callable[[], str],
    events: EventService,
    clock: Clock,
    policy: IdlePolicy | None,
) -> Autoscaler:
    repository = EndpointRepository()
    activity = Activity(database, repository, clock)
    rest = Rest(
        database=database,
        repository=repository,
        activity=activity,
        policy=policy or IdlePolicy(lambda _project: None, 0.0, clock),
        events=events,
        clock=clock,
    )
    return Autoscaler(
        database=database,
        activity=activity,
        rest=rest,
        repository=repository,
        demand=DemandFollower(home.demand),
        saturation=saturation,
        events=events,
        clock=clock,
    )


def make_planning(
    *, database: Database, registry: RegistryClient, engine: Engine, home: Home, clock: Clock
) -> PlanningService:
    """What says how many replicas a load needs."""
    bundles = BundleCache(home.cache / "bundles", registry)
    return PlanningService(
        database=database,
        repository=EndpointRepository(),
        registry=registry,
        measurer=Measurer(engine, bundles, home.sockets, clock),
        observe=observe_host,
    )


def make_service(
    database: Database,
    views: EndpointViews,
    rollouts: Rollouts,
    registry: RegistryClient,
    events: EventService,
    clock: Clock,
    wake: Callable[[], None],
    capture_share: float,
) -> EndpointService:
    """The service alone, with `wake` to tell whoever reconciles."""
    return EndpointService(
        database=database,
        repository=EndpointRepository(),
        views=views,
        rollouts=rollouts,
        registry=registry,
        events=events,
        creations=Creations(),
        clock=clock,
        wake=wake,
        default_capture_share=capture_share,
    )
