"""Endpoints: deploying models, and what happened at their addresses."""

import builtins
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from modelyard.errors import NotFoundError
from modelyard.sdk.calls import Mode, Pages, call, listing
from modelyard.sdk.errors import WaitFailedError
from modelyard.sdk.resource import OPERATIONS, PageOf, Resource, act, create, delete, pages, read, update, wait_for
from modelyard.sdk.steps import Flow
from modelyard.types.compute.idleness import IdleEndpoint
from modelyard.types.endpoints import CaptureRules, Endpoint, EndpointStatus, Rollout, RolloutStatus, Scaling, Variant
from modelyard.types.monitoring import FeedbackReceipt, Inference, LiveMetrics, QualityPoint
from modelyard.types.planning import Plan
from modelyard.types.signatures import Scalar

OnLook = Callable[[Endpoint], None]
Truth = Scalar | Sequence[Scalar | None]
MAIN = "main"


class Endpoints(Resource[Mode]):
    """Stable addresses; their variants are model versions with traffic weights."""

    @call
    def deploy(
        self,
        name: str,
        model: str,
        *,
        replicas: int = 1,
        capture_share: float | None = None,
        rollout: Mapping[str, object] | str | None = None,
        is_isolated: bool | None = None,
        wait: bool = True,
        timeout_seconds: float | None = 300.0,
        on_look: OnLook | None = None,
    ) -> Flow[Endpoint]:
        """Serve a model version at an endpoint: makes the endpoint, or moves all its traffic over without a gap.

        Args:
            name: of the endpoint.
            model: "digits" (newest version), "digits:2" or "digits@champion".
            replicas: worker processes.
            capture_share: share of requests to record; the platform's setting if left out.
            rollout: how it takes over from what the endpoint serves: "canary", or {"strategy": "canary", "share": 0.05,
                "seconds": 60, "requests": 100}; all at once if left out.
            is_isolated: share no process with other models; None: as it is, for a new endpoint False.
            wait: come back when the version has answered its golden requests and has the traffic.
            timeout_seconds: how long to wait.
            on_look: called with the endpoint whenever the waiting looked at it.

        Raises:
            WaitFailedError: the version did not become ready; the message says why.
            WaitTimeoutError: it is still under way.
        """
        path = self._path(OPERATIONS, "endpoints", name)
        variant: dict[str, object] = {"name": MAIN, "model": model, "replicas": replicas}
        variants = [variant]
        try:
            present = yield from read(Endpoint, path)
        except NotFoundError:
            variant["is_isolated"] = bool(is_isolated)
            body: dict[str, object] = {"name": name, "variants": variants}
            if capture_share is not None:
                body["capture_share"] = capture_share
            endpoint = yield from create(Endpoint, self._path(OPERATIONS, "endpoints"), body)
        else:
            kept = any(each.is_isolated for each in present.variants)
            variant["is_isolated"] = kept if is_isolated is None else is_isolated
            changes = {"variants": variants, "capture_share": capture_share, "rollout": _strategy(rollout)}
            endpoint = yield from update(Endpoint, path, changes, None)
        if not wait:
            return endpoint
        return (yield from Endpoints.wait.flow(self, name, timeout_seconds=timeout_seconds, on_look=on_look))

    @call
    def create(self, name: str, variants: Sequence[Variant], *, capture_share: float | None = None) -> Flow[Endpoint]:
        """Make an endpoint with several variants."""
        body: dict[str, object] = {"name": name, "variants": [asdict(variant) for variant in variants]}
        if capture_share is not None:
            body["capture_share"] = capture_share
        return create(Endpoint, self._path(OPERATIONS, "endpoints"), body)

    @call
    def get(self, name: str) -> Flow[Endpoint]:
        """An endpoint as it is now: status and reason, variants, replicas, newest rollout."""
        return read(Endpoint, self._path(OPERATIONS, "endpoints", name))

    @call
    def update(
        self,
        name: str,
        *,
        variants: Sequence[Variant] | None = None,
        weights: Mapping[str, float] | None = None,
        capture_share: float | None = None,
        capture: CaptureRules | None = None,
        scaling: Scaling | None = None,
        stays_warm: bool | None = None,
        rollout: Mapping[str, object] | str | None = None,
        version: int | None = None,
    ) -> Flow[Endpoint]:
        """Change variants, their traffic weights, what is recorded or how it scales; what is left out stays.

        `stays_warm`: no idle policy ends its replicas.

        `rollout` says how other variants take over: see `deploy`.
        `version` is that of the endpoint you read: the change is refused if somebody else came first.
        """
        changes = {
            "variants": None if variants is None else [asdict(variant) for variant in variants],
            "weights": None if weights is None else dict(weights),
            "capture_share": capture_share,
            "capture": None if capture is None else asdict(capture),
            "scaling": None if scaling is None else asdict(scaling),
            "stays_warm": stays_warm,
            "rollout": _strategy(rollout),
        }
        return update(Endpoint, self._path(OPERATIONS, "endpoints", name), changes, version)

    @call
    def scale(self, name: str, replicas: int, *, variant: str | None = None) -> Flow[Endpoint]:
        """Fix the number of worker processes, of one variant or of all; `update(scaling=...)` lets it vary."""
        body = {"replicas": replicas, "variant": variant}
        return act(Endpoint, self._path(OPERATIONS, "endpoints", name, "scale"), body)

    @call
    def approve(self, name: str) -> Flow[Endpoint]:
        """Agree that the new version of a rollout takes over once its stages are through."""
        return act(Endpoint, self._path(OPERATIONS, "endpoints", name, "approve"))

    @call
    def rollback(self, name: str) -> Flow[Endpoint]:
        """Go back: from a rollout under way at once, else to what was served before the last one."""
        return act(Endpoint, self._path(OPERATIONS, "endpoints", name, "rollback"))

    @call
    def plan(
        self,
        target: str,
        *,
        requests_per_second: float,
        p99_ms: float | None = None,
        rows_per_request: float = 1.0,
        replicas: int | None = None,
        is_measured_anew: bool = False,
    ) -> Flow[Plan]:
        """What a load needs on the platform's machine: replicas, p50 and p99 to expect, processor time and memory.

        Args:
            target: an endpoint, or a model version ("digits", "digits:2").
            requests_per_second: the load.
            p99_ms: the objective; if left out, as many replicas as keep up.
            rows_per_request: on average.
            replicas: predict for so many, not for the smallest number.
            is_measured_anew: measure the version again, for some seconds.
        """
        body = {
            "target": target,
            "requests_per_second": requests_per_second,
            "p99_ms": p99_ms,
            "rows_per_request": rows_per_request,
            "replicas": replicas,
            "is_measured_anew": is_measured_anew,
        }
        return act(Plan, self._path(OPERATIONS, "plans"), body)

    @call
    def stop(self, name: str) -> Flow[Endpoint]:
        """End the replicas; the configuration stays."""
        return act(Endpoint, self._path(OPERATIONS, "endpoints", name, "stop"))

    @call
    def start(self, name: str) -> Flow[Endpoint]:
        """Start a stopped endpoint again."""
        return act(Endpoint, self._path(OPERATIONS, "endpoints", name, "start"))

    @call
    def delete(self, name: str, *, wait: bool = False, timeout_seconds: float | None = 60.0) -> Flow[None]:
        """Delete an endpoint; with `wait` until it is gone."""
        path = self._path(OPERATIONS, "endpoints", name)
        yield from delete(path)
        if wait:
            yield from wait_for(f"deleting {name}", lambda: _exists(path), lambda found: not found, timeout_seconds)

    @call
    def wait(
        self, name: str, *, timeout_seconds: float | None = 300.0, on_look: OnLook | None = None
    ) -> Flow[Endpoint]:
        """Come back when the endpoint is ready (or idle: scaled to zero) and no change of its variants is under way.

        Raises:
            WaitFailedError: it failed, was stopped, or the change was rolled back.
            WaitTimeoutError: it is still under way.
        """

        def is_settled(endpoint: Endpoint) -> bool:
            if on_look:
                on_look(endpoint)
            is_changing = endpoint.rollout is not None and endpoint.rollout.status is RolloutStatus.RUNNING
            return not is_changing and endpoint.status in (
                EndpointStatus.READY,
                EndpointStatus.IDLE,
                EndpointStatus.FAILED,
                EndpointStatus.STOPPED,
                EndpointStatus.DELETING,
            )

        endpoint = yield from wait_for(
            f"endpoint {name}", lambda: Endpoints.get.flow(self, name), is_settled, timeout_seconds
        )
        if endpoint.status not in (EndpointStatus.READY, EndpointStatus.IDLE):
            raise WaitFailedError(
                f"endpoint {name} is {endpoint.status}: {endpoint.reason}",
                hint=f"modelyard endpoints show {name} has the replicas; modelyard events --subject endpoint/{name}.",
            )
        if endpoint.rollout is not None and endpoint.rollout.status is RolloutStatus.ROLLED_BACK:
            raise WaitFailedError(
                f"endpoint {name} serves what it served before: {endpoint.rollout.reason}",
                hint="Deploy another version, or look into the reason.",
            )
        return endpoint

    @listing
    def rollouts(self, name: str) -> Pages[Rollout]:
        """Changes of variants, newest first."""
        return pages(Rollout, self._path(OPERATIONS, "endpoints", name, "rollouts"))

    @listing
    def inferences(
        self,
        name: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        variant: str | None = None,
        version: str | None = None,
    ) -> Pages[Inference]:
        """Recorded requests with their answers and feedback, newest first."""
        query = {
            "since": since.isoformat() if since else None,
            "until": until.isoformat() if until else None,
            "variant": variant,
            "version": version,
        }
        return pages(Inference, self._path(OPERATIONS, "endpoints", name, "inferences"), query)

    @call
    def inference(self, name: str, id: str) -> Flow[Inference]:
        """One recorded request."""
        return read(Inference, self._path(OPERATIONS, "endpoints", name, "inferences", id))

    @call
    def feedback(self, name: str, truth: Mapping[str, Truth]) -> Flow[FeedbackReceipt]:
        """Send what turned out to be true.

        Args:
            name: of the endpoint.
            truth: inference id -> the true label or value; a list of them, in order, for a request of several rows.
        """
        items = [{"inference_id": inference, "truth": value} for inference, value in truth.items()]
        return act(FeedbackReceipt, self._path(OPERATIONS, "endpoints", name, "feedback"), {"items": items})

    @call
    def metrics(self, name: str, *, window: str = "24h") -> Flow[tuple[LiveMetrics, ...]]:
        """Quality per version on the rows whose truth is known; `window` is how far back (15m, 24h, 7d)."""
        return read(tuple[LiveMetrics, ...], self._path(OPERATIONS, "endpoints", name, "metrics"), {"window": window})

    @call
    def history(self, name: str, *, window: str = "7d", points: int = 7) -> Flow[tuple[QualityPoint, ...]]:
        """Every metric over time on the rows whose truth is known, in so many stretches, with 95 % intervals."""
        path = self._path(OPERATIONS, "endpoints", name, "metrics", "history")
        return read(tuple[QualityPoint, ...], path, {"window": window, "points": str(points)})

    @call
    def idle(self, *, hours: float = 24.0) -> Flow[builtins.list[IdleEndpoint]]:
        """Endpoints without a request for so long, and what they cost a day meanwhile, the dearest first."""
        path = self._path(OPERATIONS, "idle-endpoints")
        page: PageOf[IdleEndpoint] = yield from read(PageOf[IdleEndpoint], path, {"hours": str(hours)})
        return page.items

    @listing
    def list(self) -> Pages[Endpoint]:
        """Endpoints by name."""
        return pages(Endpoint, self._path(OPERATIONS, "endpoints"))


def _strategy(rollout: Mapping[str, object] | str | None) -> dict[str, object] | None:
    if rollout is None:
        return None
    return {"strategy": rollout} if isinstance(rollout, str) else dict(rollout)


def _exists(path: str) -> Flow[bool]:
    try:
        yield from read(Endpoint, path)
    except NotFoundError:
        return False
    return True
