"""How long the reconciler waits for what."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Times in seconds.

    Attributes:
        interval_seconds: between two looks at everything, when nobody wakes the reconciler.
        busy_seconds: the same while a replica starts: a request may wait for it.
        idle_seconds: the same while there are no endpoints.
        reap_seconds: between two looks for processes without a record.
        token_seconds: how old the gateway's list of tokens may get.
        start_seconds: a worker that does not listen after this long has failed.
        prove_seconds: the longest that one golden request may take.
        warm_seconds: a replica is warmed up with the largest batch that it can be expected to answer within this time.
        hang_seconds: a batch may take this long, or as long as its callers wait; then the worker ends itself.
        silence_seconds: a worker whose sign of life has been overdue this long is ended.
        first_retry_seconds: pause after a replica's first failure; it doubles with each further one.
        longest_retry_seconds: the longest such pause.
        stable_seconds: a replica that was ready this long starts counting failures anew.
        drain_seconds: between the moment a replica left the routing table and its end. Longer than
            dataplane.routing.FOLLOW_SECONDS, so that no gateway sends to it any more; the worker then finishes
            by itself.
        stop_seconds: what a worker has to finish before it is killed.
        rollout_seconds: new variants that are not ready after this long are rolled back.
        pause_seconds: before something is asked again that did not answer.
    """

    interval_seconds: float = 0.3
    busy_seconds: float = 0.05
    idle_seconds: float = 1.0
    reap_seconds: float = 5.0
    token_seconds: float = 1.0
    start_seconds: float = 180.0
    prove_seconds: float = 60.0
    warm_seconds: float = 10.0
    hang_seconds: float = 40.0
    silence_seconds: float = 3.0
    first_retry_seconds: float = 0.5
    longest_retry_seconds: float = 30.0
    stable_seconds: float = 60.0
    drain_seconds: float = 1.0
    stop_seconds: float = 35.0
    rollout_seconds: float = 600.0
    pause_seconds: float = 1.0
