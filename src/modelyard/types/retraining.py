"""The rules of a retraining policy beyond when it starts: what a version must prove."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRules:
    """How certain the gate must be, and what a replay of captured requests may show.

    Attributes:
        significance_level: a claim counts as proven if chance alone would bring about what was seen with at most this
            probability. 0.5 compares the bare figures.
        maximum_slice_loss: in any one part of the data the new version may be worse by at most this much.
        replay_requests: so many captured requests are sent to both versions; 0: no replay.
        minimum_replay_requests: fewer cannot tell.
        is_replay_required: refuse a version when a replay could not tell; otherwise go on and say so.
        maximum_slowdown: the new version's CPU time of a request may be this many times the running one's.
        slowdown_floor_ms: a request that costs less than this many milliseconds more is not slower.
    """

    significance_level: float = 0.05
    maximum_slice_loss: float = 0.05
    replay_requests: int = 1000
    minimum_replay_requests: int = 50
    is_replay_required: bool = False
    maximum_slowdown: float = 1.5
    slowdown_floor_ms: float = 0.2
