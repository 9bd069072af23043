"""Who is next: priority, fair share between projects, and how long a job has waited."""

from collections import defaultdict
from collections.abc import Iterator

from modelyard.control.scheduling.rule.state import QueueState, Request, State

_DEFAULT = QueueState(name="")


def in_order(state: State) -> Iterator[Request]:
    """Waiting jobs, first the one to be planned first.

    A job's points are the priority of its queue, its own, a point for each `seconds_per_point` of waiting, and its
    project's fair points. Each job that is handed out counts as use of its project at once, so that projects which
    come with full hands take turns.
    """
    lines = _lines(state)
    capacity, usage = state.capacity, dict(state.usage)
    for running in state.running:
        if running.request.reservation is None:
            left = max(0.0, running.started_at + running.request.likely_seconds - state.now)
            _charge(usage, running.request, left, running.request.need.times(len(running.hosts)).share_of(capacity))
    while lines:
        fair = fair_points(state, usage, lines)
        project = min(lines, key=lambda name: (-(points(state, lines[name][-1]) + fair[name]), lines[name][-1].id))
        request = lines[project].pop()
        if not lines[project]:
            del lines[project]
        _charge(usage, request, request.likely_seconds, request.need.times(request.hosts).share_of(capacity))
        yield request


def points(state: State, request: Request) -> float:
    """What a job is worth without its project's fair points."""
    queue = state.queues.get(request.queue, _DEFAULT)
    return queue.priority + request.priority + (state.now - request.ranked_at) / state.policy.seconds_per_point


def fair_points(state: State, usage: dict[str, float], projects: dict[str, list[Request]]) -> dict[str, float]:
    """`fair_points` for a project that has used nothing, half of it for one that has used just its share.

    Source: the fair-share factor 2^(-U/S) of the Slurm scheduler, U and S being the shares of use and of weight.
    """
    names = set(projects) | set(usage)
    used = sum(usage.values())
    weights = {name: max(1e-9, state.shares.get(name, 1.0)) for name in names}
    whole = sum(weights.values())
    factors = {}
    for name in projects:
        ratio = (usage.get(name, 0.0) / used if used > 0 else 0.0) / (weights[name] / whole)
        factors[name] = state.policy.fair_points * 2.0**-ratio
    return factors


def _lines(state: State) -> dict[str, list[Request]]:
    """Project -> its jobs, the next one last."""
    lines: dict[str, list[Request]] = defaultdict(list)
    for request in state.waiting:
        lines[request.project].append(request)
    for line in lines.values():
        line.sort(key=lambda each: (-points(state, each), each.ranked_at, each.id), reverse=True)
    return lines


def _charge(usage: dict[str, float], request: Request, seconds: float, share: float) -> None:
    usage[request.project] = usage.get(request.project, 0.0) + seconds * share
