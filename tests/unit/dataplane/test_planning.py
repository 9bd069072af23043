"""The simulated queue against what queueing theory knows, and the gateway's own rules."""

import math

import numpy as np
import pytest

from modelyard.dataplane.gateway.pools.demand import DemandMeter, service_point
from modelyard.dataplane.planning.prediction import Predictor
from modelyard.dataplane.planning.service_times import ServiceTimes
from modelyard.dataplane.planning.simulation import Batching, poisson_arrivals, simulate
from modelyard.types.planning import QUANTILES, ServicePoint

MEAN = 0.01
SINGLE = Batching(max_requests=1, in_flight=1)
ARRIVALS = 60_000


def constant(seconds: float, rows: float = 1) -> ServicePoint:
    return ServicePoint(rows=rows, batches=100, mean_seconds=seconds, quantiles_seconds=(seconds,) * len(QUANTILES))


def exponential() -> ServiceTimes:
    """Every quantile exact: the eleven of a ServicePoint would cut the distribution's tail."""
    times = ServiceTimes([constant(MEAN)])
    shares = (np.arange(512) + 0.5) / 512
    times._tables = [-np.log(1 - shares) * MEAN]
    return times


def erlang_c(load: float, servers: int) -> float:
    """The probability that a request of an M/M/c queue waits. Source: Erlang (1917)."""
    offered = load * servers
    last = offered**servers / math.factorial(servers) / (1 - load)
    return last / (sum(offered**k / math.factorial(k) for k in range(servers)) + last)


@pytest.mark.parametrize("load", [0.3, 0.5, 0.7, 0.8])
def test_exponential_service_has_the_latencies_of_an_m_m_1_queue(load: float):
    arrivals = poisson_arrivals(load / MEAN, ARRIVALS, seed=1)
    latencies = simulate(exponential(), arrivals, replicas=1, batching=SINGLE).latencies
    spare = (1 - load) / MEAN
    assert latencies.mean() == pytest.approx(1 / spare, rel=0.08)
    assert np.quantile(latencies, 0.5) == pytest.approx(math.log(2) / spare, rel=0.08)
    assert np.quantile(latencies, 0.99) == pytest.approx(math.log(100) / spare, rel=0.12)


@pytest.mark.parametrize("load", [0.3, 0.5, 0.8])
def test_constant_service_has_the_mean_of_an_m_d_1_queue(load: float):
    arrivals = poisson_arrivals(load / MEAN, ARRIVALS, seed=2)
    outcome = simulate(ServiceTimes([constant(MEAN)]), arrivals, replicas=1, batching=SINGLE)
    assert outcome.latencies.mean() == pytest.approx(MEAN + load * MEAN / (2 * (1 - load)), rel=0.07)
    assert outcome.busy_share == pytest.approx(load, rel=0.02)


@pytest.mark.parametrize(("load", "servers"), [(0.7, 2), (0.8, 4)])
def test_several_replicas_have_the_mean_of_an_m_m_c_queue(load: float, servers: int):
    arrivals = poisson_arrivals(load * servers / MEAN, ARRIVALS, seed=3)
    outcome = simulate(exponential(), arrivals, replicas=servers, batching=SINGLE)
    waiting = erlang_c(load, servers) * MEAN / (servers * (1 - load))
    assert outcome.latencies.mean() == pytest.approx(MEAN + waiting, rel=0.06)


def test_a_replica_that_slept_takes_longer_and_one_that_works_does_not():
    times = ServiceTimes([constant(MEAN)])
    slept = simulate(times, [0.0, 1.0, 1.001], replicas=1, wake_seconds=0.002)
    assert slept.latencies == pytest.approx([0.012, 0.012, 0.021])


@pytest.mark.parametrize(
    ("per_row", "latencies"),
    [
        (0.0, [0.020, 0.018, 0.016]),  # a dear call: the three go together, as soon as the replica is free
        (MEAN, [0.020, 0.028, 0.036]),  # dear rows: the first goes ahead, and nothing is gained by batches
    ],
)
def test_small_batches_are_held_where_a_call_is_dear_as_in_the_gateway(per_row: float, latencies: list[float]):
    times = ServiceTimes([constant(MEAN), *(constant(MEAN + per_row * (rows - 1), rows) for rows in (2, 4, 8))])
    known = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0]  # batches of one and of several, from which the gateway learns
    arrivals = [*known, *(2.0 + later for later in (0.0, 0.0005, 0.002, 0.004))]
    outcome = simulate(times, arrivals, replicas=1)
    assert outcome.latencies[len(known) + 1 :] == pytest.approx([late - 0.0005 for late in latencies], abs=0.0006)


def test_batches_grow_with_the_load_where_they_are_worth_it():
    cheap_batches = Predictor([constant(MEAN), constant(MEAN * 1.1, rows=64)], requests=5000)
    quiet, busy = cheap_batches.predict(20, 1), cheap_batches.predict(2000, 1)
    assert quiet.mean_batch < 1.2
    assert busy.mean_batch > 10
    assert busy.capacity == pytest.approx(64 / (MEAN * 1.1))
    assert busy.p99_ms is not None
    assert busy.p99_ms < 60


def test_a_load_above_the_capacity_has_no_prediction():
    prediction = Predictor([constant(MEAN)], requests=500).predict(101, 1)
    assert (prediction.p50_ms, prediction.p99_ms, prediction.utilisation) == (None, None, 1.0)
    assert prediction.capacity == pytest.approx(100)


def test_the_smallest_number_that_meets_the_objective_is_recommended():
    predictor = Predictor([constant(MEAN)], requests=5000)
    found = predictor.recommend(300, 20.0, most=32)
    assert found.p99_ms is not None
    assert found.p99_ms <= 20
    fewer = predictor.predict(300, found.replicas - 1).p99_ms
    assert fewer is None or fewer > 20
    impossible = predictor.recommend(300, 5.0, most=8)
    assert (impossible.replicas, impossible.p99_ms > 5) == (8, True)
    assert predictor.recommend(300, None, most=32).replicas == 5, "three at their limit and a third to spare"


def test_a_prediction_is_the_same_every_time():
    times = [service_point([(1, 0.001 * each) for each in range(1, 30)])]
    assert Predictor(times, requests=2000).predict(40, 2) == Predictor(times, requests=2000).predict(40, 2)


def test_one_batch_that_the_machine_held_up_makes_neither_a_hundredth_of_slow_ones_nor_all_others_quick():
    rng = np.random.default_rng(3)
    measured = [*rng.normal(1.2e-3, 5e-5, 599), 0.03]
    times = ServiceTimes([service_point([(1, seconds) for seconds in measured])])
    table = np.array(times.table(1))
    assert np.median(table) == pytest.approx(np.median(measured), rel=0.01)
    assert table.std() == pytest.approx(np.std(measured), rel=0.1)
    assert table.mean() == pytest.approx(np.mean(measured))
    arrivals = poisson_arrivals(0.8 / np.mean(measured), ARRIVALS, seed=4)
    end, latencies = 0.0, []
    for arrival, seconds in zip(arrivals, rng.choice(measured, ARRIVALS), strict=True):
        end = max(end, arrival) + seconds
        latencies.append(end - arrival)
    planned = simulate(times, arrivals, replicas=1, batching=SINGLE).latencies
    assert np.quantile(planned, 0.99) == pytest.approx(np.quantile(latencies, 0.99), rel=0.15)


def test_times_between_measured_sizes_are_interpolated_and_above_them_grow_in_proportion():
    times = ServiceTimes([constant(0.001), constant(0.003, rows=3), constant(0.004, rows=8)])
    assert [times.mean(rows) for rows in (1, 2, 3, 16)] == pytest.approx([0.001, 0.002, 0.003, 0.008])


def test_a_meter_tells_the_distribution_of_the_last_batches_by_their_size():
    meter = DemandMeter()
    for _ in range(300):
        meter.served(1, 1, 0.5)
    for index in range(128):
        meter.served(1, 1, 0.001 * index)
    meter.served(4, 6, 0.25)
    single, larger = meter.curve()
    assert (single.rows, single.batches, single.quantiles_seconds[0]) == (1, 128, 0.0)
    assert single.quantiles_seconds[-1] == pytest.approx(0.127)
    assert single.quantiles_seconds[4] == pytest.approx(single.mean_seconds)
    assert (larger.rows, larger.batches, larger.mean_seconds) == (6, 1, 0.25)
    busy_seconds, rows = meter.since_last()
    assert (busy_seconds, rows) == (pytest.approx(150 + 8.128 + 0.25), pytest.approx(434 / 432))
    assert meter.since_last() == (0, 0)
