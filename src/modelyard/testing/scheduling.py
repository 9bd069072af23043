"""Runs a scheduling rule over a trace of jobs, in simulated time: what it would have done to them."""

import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from modelyard.control.scheduling.rule.amounts import Amounts
from modelyard.control.scheduling.rule.state import Decisions, Request, Running, Start, State

_INSTANT = 1e-6
Rule = Callable[[State], Decisions]
Forecast = Callable[[State], "dict[str, float]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceJob:
    """A job of a trace: what it asks for, and how long it really runs if nobody ends it."""

    request: Request
    seconds: float


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of a job. `forecast`: the start that was expected at its submission."""

    job: TraceJob
    started_at: float | None = None
    ended_at: float | None = None
    forecast: float | None = None
    preemptions: int = 0
    is_expired: bool = False

    @property
    def wait_seconds(self) -> float:
        """From its submission to its first start."""
        return (self.started_at or 0.0) - self.job.request.ranked_at

    @property
    def completion_seconds(self) -> float:
        """From its submission to its end."""
        return (self.ended_at or 0.0) - self.job.request.ranked_at


@dataclass(slots=True)
class Simulation:
    """One run. `check` sees every state and what was decided on it.

    Args:
        state: hosts, quotas, queues, shares and reservations; its waiting and running jobs are ignored.
        rule: decides.
        forecast: asked for the expected start of each job when it is submitted; None: nobody asks.
        half_life_seconds: after this long, use counts for half in the fair shares.
        check: is called with each state and its decisions.
    """

    state: State
    rule: Rule
    forecast: Forecast | None = None
    half_life_seconds: float = 86_400.0
    leave_seconds: float = 10.0
    check: Callable[[State, Decisions], None] = lambda _state, _decisions: None
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    _events: list[tuple[float, int, str, str]] = field(default_factory=list)
    _order: "itertools.count[int]" = field(default_factory=itertools.count)
    _left: dict[str, float] = field(default_factory=dict)

    def run(self, jobs: Sequence[TraceJob]) -> dict[str, Outcome]:
        """All jobs to their ends."""
        self.state = replace(self.state, waiting=(), running=())
        for job in jobs:
            request = job.request
            self.outcomes[request.id] = Outcome(job=job)
            self._left[request.id] = min(job.seconds, request.limit_seconds)
            self._at(request.ranked_at, "submit", request.id)
            if request.start_before is not None:
                self._at(request.start_before + _INSTANT, "look", "")
        for reserved in self.state.reservations:
            self._at(max(0.0, reserved.starts_at - self.state.policy.leave_seconds), "look", "")
            self._at(reserved.starts_at, "look", "")
            self._at(reserved.ends_at, "look", "")
        while self._events:
            self._step()
        return self.outcomes

    def _at(self, moment: float, kind: str, job: str) -> None:
        heapq.heappush(self._events, (moment, next(self._order), kind, job))

    def _step(self) -> None:
        now = self._events[0][0]
        self._pass_time(now)
        submitted = []
        while self._events and self._events[0][0] <= now:
            _, _, kind, job = heapq.heappop(self._events)
            if kind == "submit":
                submitted.append(job)
                request = self.outcomes[job].job.request
                self.state = replace(self.state, waiting=(*self.state.waiting, request))
            elif kind in ("end", "leave"):
                self._free(job, is_over=kind == "end")
        if self.forecast is not None and submitted:
            expected = self.forecast(self.state)
            for job in submitted:
                self.outcomes[job].forecast = expected.get(job)
        self._apply(self.rule(self.state))

    def _pass_time(self, now: float) -> None:
        """Let use grow by what ran, and fade."""
        seconds = now - self.state.now
        fade = 0.5 ** (seconds / self.half_life_seconds)
        capacity = self.state.capacity
        usage = {project: used * fade for project, used in self.state.usage.items()}
        for running in self.state.running:
            share = running.request.need.times(len(running.hosts)).share_of(capacity)
            usage[running.request.project] = usage.get(running.request.project, 0.0) + seconds * share
        self.state = replace(self.state, now=now, usage=usage)

    def _apply(self, decisions: Decisions) -> None:
        self.check(self.state, decisions)
        state, now = self.state, self.state.now
        requests = {each.id: each for each in state.waiting}
        started = [
            Running(request=requests[start.job], hosts=start.hosts, started_at=now) for start in decisions.starts
        ]
        for job in decisions.expired:
            self.outcomes[job].is_expired = True
        for running in started:
            outcome = self.outcomes[running.request.id]
            outcome.started_at = now if outcome.started_at is None else outcome.started_at
            self._at(now + self._left[running.request.id], "end", running.request.id)
        for job in decisions.preempt:
            self._at(now + self.leave_seconds, "leave", job)
        gone = {start.job for start in decisions.starts} | set(decisions.expired)
        kept = tuple(
            replace(each, is_leaving=True) if each.request.id in decisions.preempt else each for each in state.running
        )
        waiting = tuple(each for each in state.waiting if each.id not in gone)
        self.state = replace(state, waiting=waiting, running=(*kept, *started))

    def _free(self, job: str, *, is_over: bool) -> None:
        """A job ends, or leaves for others with what it has done so far kept; later events of it are void."""
        running = next((each for each in self.state.running if each.request.id == job), None)
        if running is None:
            return
        outcome, now = self.outcomes[job], self.state.now
        done = now - running.started_at
        if is_over and done < self._left[job] - _INSTANT:
            return  # it was preempted and has started again since
        if not is_over and not running.is_leaving:
            return
        rest = tuple(each for each in self.state.running if each.request.id != job)
        self._left[job] -= done
        if self._left[job] <= _INSTANT:
            outcome.ended_at = now
            self.state = replace(self.state, running=rest)
            return
        outcome.preemptions += 1
        self.state = replace(self.state, running=rest, waiting=(*self.state.waiting, running.request))


def fifo(state: State) -> Decisions:
    """First come, first served: the first job that does not fit makes all others wait. To compare with."""
    free = {host.name: host.capacity for host in state.hosts}
    for running in state.running:
        for name in running.hosts:
            free[name] = free[name].minus(running.request.need)
    starts = []
    for request in sorted(state.waiting, key=lambda each: (each.ranked_at, each.id)):
        hosts = _fitting(free, request.need, request.hosts)
        if hosts is None:
            break
        for name in hosts:
            free[name] = free[name].minus(request.need)
        starts.append(Start(job=request.id, hosts=hosts))
    return Decisions(starts=tuple(starts))


def _fitting(free: dict[str, Amounts], need: Amounts, count: int) -> tuple[str, ...] | None:
    names = sorted((name for name, room in free.items() if need.fits_in(room)), key=lambda name: (free[name], name))
    return tuple(names[:count]) if len(names) >= count else None
