"""From samples to a profile: rates, the time of a step, and what limits the job."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from modelyard.types.debugging.profiles import ProcessSample, Profile, ProfilePoint
from modelyard.types.debugging.rules import DIAGNOSTICS
from modelyard.types.jobs import Job, MetricPoint

_MOST_POINTS = 240
_FEWEST_STEPS = 3
_BUSY = 0.85  # of the cores that it may use: more is hardly to be had
_CROWDED = 0.3  # of the time that it ran it waited for a core
_BLOCKED = 0.2
_BLOCKED_LOOKS = 3  # fewer are chance: whoever starts reads its program
_NEAR = 0.85
_STREAM_BYTES = 1 << 20
_MIB, _GIB = 1 << 20, 1 << 30


def profile_of(job: Job, samples: Sequence[ProcessSample], figures: Sequence[MetricPoint]) -> Profile:
    """What samples, two at least, and the live figures of a job say."""
    steps = _steps(figures)
    first, last = samples[0], samples[-1]
    cpus, limit = job.resources.cpus or 1.0, job.resources.memory_bytes
    points = tuple(_points(samples, steps))
    seconds = last.at - first.at
    step_seconds = _step_seconds(steps)
    return Profile(
        job=job.id,
        attempt=job.attempt,
        cpus=cpus,
        memory_limit_bytes=limit,
        seconds=seconds,
        cpu_seconds=last.cpu_seconds,
        max_memory_bytes=max(sample.memory_bytes for sample in samples),
        read_bytes=last.read_bytes,
        written_bytes=last.written_bytes,
        step_metric=steps[0].name if step_seconds is not None else "",
        step_seconds=step_seconds,
        points=points,
        verdicts=tuple(_verdicts(samples, cpus, limit)),
    )


def _points(samples: Sequence[ProcessSample], steps: Sequence[MetricPoint]) -> Iterator[ProfilePoint]:
    """Rates between looks; of many looks some are left out, so that a picture has room for each."""
    stride = -(-(len(samples) - 1) // _MOST_POINTS)
    ends = [*range(0, len(samples) - 1, stride), len(samples) - 1]
    for first, last in pairwise(ends):
        before, after = samples[first], samples[last]
        between, seconds = samples[first + 1 : last + 1], after.at - before.at
        if seconds <= 0:
            continue
        yield ProfilePoint(
            seconds=after.at - samples[0].at,
            cpus=(after.cpu_seconds - before.cpu_seconds) / seconds,
            waiting_cpus=(after.waiting_seconds - before.waiting_seconds) / seconds,
            blocked_tasks=sum(each.blocked_tasks for each in between) / len(between),
            memory_bytes=max(each.memory_bytes for each in between),
            read_bytes_per_second=(after.read_bytes - before.read_bytes) / seconds,
            written_bytes_per_second=(after.written_bytes - before.written_bytes) / seconds,
            steps_per_second=_step_rate(steps, before.at, after.at),
        )


def _steps(figures: Sequence[MetricPoint]) -> list[MetricPoint]:
    """The figure that was logged at the most steps, in order; empty if none was at three."""
    by_name: dict[str, list[MetricPoint]] = defaultdict(list)
    for each in figures:
        if each.name.partition("/")[0] not in DIAGNOSTICS:
            by_name[each.name].append(each)
    longest = max(by_name.values(), key=len, default=[])
    return longest if len({each.step for each in longest}) >= _FEWEST_STEPS else []


def _step_seconds(steps: Sequence[MetricPoint]) -> float | None:
    if not steps or steps[-1].step <= steps[0].step:
        return None
    return (steps[-1].at - steps[0].at).total_seconds() / (steps[-1].step - steps[0].step)


def _step_rate(steps: Sequence[MetricPoint], begin: float, end: float) -> float | None:
    """Steps per second in a stretch, from the steps known at its two ends."""
    before, until = (bisect_right(steps, moment, key=lambda each: each.at.timestamp()) for moment in (begin, end))
    return (steps[until - 1].step - steps[before - 1].step) / (end - begin) if before else None


def _verdicts(samples: Sequence[ProcessSample], cpus: float, limit: int | None) -> Iterator[str]:
    first, last = samples[0], samples[-1]
    seconds = max(last.at - first.at, 1e-9)
    used = (last.cpu_seconds - first.cpu_seconds) / seconds
    waited = (last.waiting_seconds - first.waiting_seconds) / seconds
    looks = sum(each.blocked_tasks > 0 for each in samples)
    blocked = looks / len(samples)
    read_rate = (last.read_bytes - first.read_bytes) / seconds
    share = f"it used {used:.2g} of its {cpus:g} cores on average"
    if waited > _CROWDED * used and used + waited >= _BUSY * cpus:
        yield (
            f"It is held up by other work: {share}, and its threads could have run on {waited:.2g} more. Give it "
            "another time or machine, or fewer threads if it has more than cores."
        )
    elif used >= _BUSY * cpus:
        yield f"It is CPU bound: {share}. More cores, or cheaper steps, make it faster."
    elif blocked >= _BLOCKED and looks >= _BLOCKED_LOOKS:
        yield f"It waits for the disk: threads did so in {blocked:.0%} of all looks. Read larger pieces, or in advance."
    elif read_rate >= _STREAM_BYTES:
        yield (
            f"It waits for input: {share} while it read {read_rate / _MIB:.1f} MiB/s. Load data in advance or in more "
            "threads, and keep it in memory if it fits."
        )
    else:
        yield f"It mostly waits: {share}, and read little. Look for sleeps, locks, and parts that run on one core."
    most = max(each.memory_bytes for each in samples)
    if limit and most >= _NEAR * limit:
        yield (
            f"Its memory is near its limit: {most / _GIB:.2f} of {limit / _GIB:.2f} GiB. Beyond it, it is ended: use "
            "smaller batches, or give it more."
        )
