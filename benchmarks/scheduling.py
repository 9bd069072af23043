"""The scheduling rule against first come, first served, on a synthetic trace.

Usage: python benchmarks/scheduling.py [JOBS] [SEEDS]      (1500 jobs and seeds 1 to 3 if not given)

No machine and no clock is involved: the same seeds print the same figures everywhere. The trace is made the way the
models of public supercomputer traces are (Parallel Workloads Archive; Lublin and Feitelson 2003; the f-model of
Mu'alem and Feitelson 2001), with figures of our own choice that suit machine learning:

- submissions are a Poisson process whose rate follows the hour of the day (nine to seventeen: three times the night's);
- four projects submit 50, 25, 15 and 10 per cent of the jobs; each has the same weight;
- run times are log-normal: median 6 minutes, sigma 1.6, cut at 12 hours;
- a time limit is the run time divided by a uniform number in (0.1, 1), rounded up to one of 15 minutes to 24 hours;
- the platform's guess of a run time, for forecasts, is the run time times a log-normal error of sigma 0.4: what
  knowing a recipe's earlier runs is worth is assumed here, not measured;
- cores are 1, 2, 4, 8 or 16 (30, 25, 25, 15 and 5 per cent), 2 to 4 GiB for each; one job in five wants a GPU, one in
  twenty is a gang of 2 or 4 hosts; one in five is spot;
- there are 4 hosts of 16 cores, 64 GiB and 2 GPUs, and the rate is such that 30, 50 or 70 per cent
  of the cores are asked for.
"""

import math
import random
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from statistics import fmean, median

from modelyard.control.scheduling.rule.amounts import Amounts
from modelyard.control.scheduling.rule.deciding import decide, forecast
from modelyard.control.scheduling.rule.state import Host, Policy, QueueState, Request, State
from modelyard.testing.scheduling import Outcome, Rule, Simulation, TraceJob, fifo

GIB = 1 << 30
HOUR = 3600.0
PROJECTS = {"alpha": 0.5, "beta": 0.25, "gamma": 0.15, "delta": 0.1}
LIMITS = [900, 1800, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 12 * HOUR, 24 * HOUR]
LOADS = (0.3, 0.5, 0.7)
HOSTS = tuple(Host(name=f"host-{n}", capacity=Amounts(16_000, 64 * GIB, 2000, 64)) for n in range(1, 5))
STATE = State(now=0.0, hosts=HOSTS, queues={"default": QueueState(name="default")})


def trace(jobs: int, seed: int, load: float) -> list[TraceJob]:
    """A trace of so many jobs."""
    chance = random.Random(seed)
    drawn = [_job(chance, index) for index in range(jobs)]
    work = sum(job.seconds * job.request.need.millicpus * job.request.hosts for job in drawn)
    span = work / (load * STATE.capacity.millicpus)
    moments = sorted(_moments(chance, jobs, span))
    return [replace(job, request=replace(job.request, ranked_at=at)) for job, at in zip(drawn, moments, strict=True)]


def _moments(chance: random.Random, count: int, span: float) -> Iterable[float]:
    """Moments in `span`, three times as often by day as by night."""
    made = 0
    while made < count:
        moment = chance.uniform(0, span)
        if chance.random() < (1.0 if 9 <= moment / HOUR % 24 < 17 else 1 / 3):
            made += 1
            yield moment


def _job(chance: random.Random, index: int) -> TraceJob:
    seconds = min(12 * HOUR, 360.0 * math.exp(chance.gauss(0, 1.6)))
    wish = seconds / chance.uniform(0.1, 1.0)
    cores = chance.choices([1, 2, 4, 8, 16], [30, 25, 25, 15, 5])[0]
    hosts = chance.choices([1, 2, 4], [95, 3, 2])[0]
    request = Request(
        id=f"job-{index:05d}",
        project=chance.choices([*PROJECTS], [*PROJECTS.values()])[0],
        queue="default",
        need=Amounts(cores * 1000, cores * chance.randint(2, 4) * GIB, 1000 * int(chance.random() < 0.2), 1),
        hosts=hosts,
        limit_seconds=next((limit for limit in LIMITS if limit >= wish), LIMITS[-1]),
        expected_seconds=seconds * math.exp(chance.gauss(0, 0.4)),
        ranked_at=0.0,
        is_spot=chance.random() < 0.2,
    )
    return TraceJob(request=request, seconds=seconds)


def run(rule: Rule, jobs: list[TraceJob], *, policy: Policy | None = None, is_forecast: bool = False) -> list[Outcome]:
    """What becomes of the jobs."""
    state = replace(STATE, policy=policy or STATE.policy)
    simulation = Simulation(state, rule, dict_forecast if is_forecast else None)
    return [*simulation.run(jobs).values()]


def dict_forecast(state: State) -> dict[str, float]:
    """`forecast`, as the simulation wants it."""
    return dict(forecast(state))


def utilisation(outcomes: list[Outcome]) -> float:
    """Share of the cores that were busy between the first submission and the last end."""
    work = sum(each.job.seconds * each.job.request.need.millicpus * each.job.request.hosts for each in outcomes)
    first = min(each.job.request.ranked_at for each in outcomes)
    return work / ((max(each.ended_at or 0.0 for each in outcomes) - first) * STATE.capacity.millicpus)


def waits(outcomes: list[Outcome]) -> dict[str, float]:
    """Mean wait of each project, in minutes."""
    found = defaultdict(list)
    for each in outcomes:
        found[each.job.request.project].append(each.wait_seconds / 60)
    return {project: fmean(found[project]) for project in PROJECTS}


def main(jobs: int, seeds: int) -> None:
    """A table for each load, over all seeds together, and how far the expected starts were off."""
    plain = Policy(fair_points=0.0, depth=10_000)
    rules = {
        "FIFO": lambda trace: run(fifo, trace),
        "backfill only": lambda trace: run(lambda state: decide(_plain(state)), trace, policy=plain),
        "the rule": lambda trace: run(decide, trace, is_forecast=True),
    }
    for load in LOADS:
        results: dict[str, list[list[Outcome]]] = {name: [] for name in rules}
        for seed in range(1, seeds + 1):
            made = trace(jobs, seed, load)
            for name, rule in rules.items():
                results[name].append(rule(made))
        print(f"{seeds} traces of {jobs} jobs, {len(HOSTS)} hosts, load {load}")
        print(
            f"{'':14}{'completion':>12}{'':>8}{'median wait':>13}{'longest':>10}{'use':>7}  mean wait by project (min)"
        )
        base = fmean(each.completion_seconds for run_ in results["FIFO"] for each in run_)
        for name, runs in results.items():
            _report(name, runs, base)
        _report_forecasts([each for run_ in results["the rule"] for each in run_])


def _report(name: str, runs: list[list[Outcome]], base: float) -> None:
    every = [each for run_ in runs for each in run_]
    mean, wait = fmean(each.completion_seconds for each in every), [each.wait_seconds for each in every]
    by_project = "  ".join(f"{project} {minutes:.1f}" for project, minutes in waits(every).items())
    print(
        f"{name:14}{mean / 60:8.1f} min{mean / base:7.2f}x{median(wait) / 60:9.1f} min{max(wait) / HOUR:8.1f} h"
        f"{fmean(map(utilisation, runs)):7.1%}  {by_project}"
    )


def _plain(state: State) -> State:
    """Without spot: everybody keeps what he got."""
    waiting = tuple(replace(each, is_spot=False) for each in state.waiting)
    running = tuple(replace(each, request=replace(each.request, is_spot=False)) for each in state.running)
    return replace(state, waiting=waiting, running=running)


def _report_forecasts(outcomes: list[Outcome]) -> None:
    delayed = [each for each in outcomes if each.forecast is not None and each.wait_seconds > 60]
    late = [(each.started_at or 0.0) - (each.forecast or 0.0) for each in delayed]
    errors = sorted(abs(each) / 60 for each in late)
    print(
        f"expected start of the {len(delayed)} jobs that waited for more than a minute: off by {median(errors):.1f} min"
        f" (median), {errors[int(0.9 * len(errors))]:.1f} min (p90);"
        f" {sum(each <= 60 for each in late) / len(late):.0%} started no later than said"
    )
    print(f"spot jobs made room {sum(each.preemptions for each in outcomes)} times\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1500, int(sys.argv[2]) if len(sys.argv) > 2 else 3)
