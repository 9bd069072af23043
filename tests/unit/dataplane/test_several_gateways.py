"""What several gateways share or add up: reports of living writers, demand, figures, rates."""

import signal
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import pytest

from modelyard.dataplane.captures import SpoolWriter, closed_segments
from modelyard.dataplane.demand import DemandFollower, DemandWriter
from modelyard.dataplane.gateway.pools.demand import service_point
from modelyard.dataplane.gateway.rates import Rate, RateExceededError, RateLevels
from modelyard.dataplane.gateway.reports.metrics import PoolFigures, Snapshot, VariantFigures
from modelyard.dataplane.gateway.reports.siblings import Siblings
from modelyard.dataplane.planning.merging import merge_demand
from modelyard.kit.living import LivingFile, is_alive, read_living
from modelyard.types.planning import DemandTable, VariantDemand
from modelyard.types.tensors import CaptureRecord

KEY = ("default", "echo", "main")
POOL = (*KEY, "model", 1)
_WRITER = """
import sys, time
from pathlib import Path
from modelyard.kit.living import LivingFile

file = LivingFile(Path(sys.argv[1]))
file.write(b"one")
file.write(b"two")
print("written", flush=True)
time.sleep(60)
"""


def demand(**fields: object) -> VariantDemand:
    known = {"project": "default", "endpoint": "echo", "variant": "main", "model": "model", "number": 1}
    return VariantDemand(**{**known, **fields})  # type: ignore[arg-type]


def table(*variants: VariantDemand) -> DemandTable:
    return DemandTable(written_at=0.0, variants=variants)


def snapshot(requests: int, waiting: int = 0) -> Snapshot:
    figures = VariantFigures()
    for _ in range(requests):
        figures.answered(0.003, 2)
    return Snapshot({KEY: figures}, pools={POOL: PoolFigures(waiting, 1, requests, requests)}, connections=3)


def test_a_file_is_alive_while_its_writer_lives_and_readable_after_it(tmp_path: Path):
    path = tmp_path / "report"
    process = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    assert read_living(path) == (b"two", True)
    assert is_alive(path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert read_living(path) == (b"two", False)
    assert not is_alive(path)
    assert not is_alive(tmp_path / "nothing")
    assert [each.name for each in tmp_path.iterdir()] == ["report"]


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path):
    file = LivingFile(tmp_path / "folder" / "report")
    with pytest.raises(FileNotFoundError):
        file.write(b"one")


def test_demand_adds_up_by_second_and_mixes_service_times():
    slow = service_point([(1, 0.02)] * 30)
    fast = service_point([(1, 0.01)] * 90)
    large = service_point([(8, 0.05)] * 10)
    (merged,) = merge_demand(
        [
            table(demand(waiting=2, ready_replicas=2, arrivals=(1, 2, 3), last_request_at=5.0, curve=(fast,))),
            table(demand(waiting=1, ready_replicas=2, arrivals=(10, 10), rows_per_request=4.0, curve=(slow, large))),
        ]
    )
    assert (merged.waiting, merged.ready_replicas, merged.last_request_at) == (3, 2, 5.0)
    assert merged.arrivals == (1, 12, 13)
    assert merged.rows_per_request == pytest.approx((6 * 1 + 20 * 4) / 26)
    small, big = merged.curve
    assert (small.batches, small.mean_seconds, big) == (120, pytest.approx(0.0125), large)
    assert small.quantiles_seconds[:5] == pytest.approx([0.01] * 5)
    assert small.quantiles_seconds[6:] == pytest.approx([0.02] * 5), "a quarter of the batches took so long"


def test_a_version_that_one_gateway_does_not_know_yet_is_told_apart():
    merged = merge_demand([table(demand(waiting=1)), table(demand(waiting=1, number=2))])
    assert [(each.number, each.waiting) for each in merged] == [(1, 1), (2, 1)]


def test_the_follower_hears_of_every_gateway_and_of_its_end(tmp_path: Path):
    one, two, follower = DemandWriter(tmp_path / "one"), DemandWriter(tmp_path / "two"), DemandFollower(tmp_path)
    assert not follower.poll()
    one.write(table(demand(waiting=1)))
    assert follower.poll()
    two.write(table(demand(waiting=2)))
    assert follower.poll()
    assert follower.variants[0].waiting == 3
    assert not follower.poll()
    one.close()
    assert follower.poll()
    assert follower.variants[0].waiting == 2
    (tmp_path / "two").write_bytes(b"damaged")
    two.close()
    assert follower.poll()
    assert follower.variants == ()


def test_counts_of_the_dead_stay_and_their_states_do_not(tmp_path: Path):
    one, two = Siblings(tmp_path / "one"), Siblings(tmp_path / "two")
    one.tell(snapshot(5, waiting=4))
    total = two.sum(snapshot(2, waiting=1))
    assert (total.variants[KEY].requests, total.variants[KEY].rows, total.connections) == (7, 14, 6)
    assert total.pools[POOL] == PoolFigures(waiting=5, ready_replicas=1, batches=7, batched_requests=7)
    one.close()
    total = two.sum(snapshot(2))
    assert (total.variants[KEY].requests, total.connections, total.pools[POOL].waiting) == (7, 3, 0)
    again = Siblings(tmp_path / "one")
    assert again.sum(snapshot(1)).variants[KEY].requests == 8
    again.close()
    assert Siblings(tmp_path / "one").sum(snapshot(0)).variants[KEY].requests == 8, "over more than one death"


def test_what_left_the_routing_table_is_not_told(tmp_path: Path):
    one, two = Siblings(tmp_path / "one"), Siblings(tmp_path / "two")
    gone = ("default", "gone", "main")
    one.tell(Snapshot({gone: VariantFigures(requests=1)}, pools={(*gone, "model", 1): PoolFigures()}))
    assert set(two.sum(snapshot(1)).variants) == {KEY}


def _call(folder: Path, per_second: float, seconds: float) -> int:
    rate, taken = Rate(per_second, RateLevels(folder).of("token")), 0
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        try:
            rate.take()
            taken += 1
        except RateExceededError as refusal:
            time.sleep(min(refusal.retry_after_seconds or 0.0, 0.01))
    return taken


def test_processes_that_share_a_rate_have_it_once(tmp_path: Path):
    per_second, seconds = 2000.0, 1.0
    with get_context("spawn").Pool(2) as pool:
        started = time.monotonic()
        taken = sum(pool.starmap(_call, [(tmp_path, per_second, seconds)] * 2))
        elapsed = time.monotonic() - started
    allowed = per_second * (1 + elapsed)
    assert per_second <= taken <= allowed * 1.01, "calls of the same microsecond may count as one"


def test_a_rate_that_cannot_be_shared_holds_in_each_process(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    rate = Rate(1.0, RateLevels(tmp_path / "nothing").of("token"))
    rate.take()
    with pytest.raises(RateExceededError):
        rate.take()
    assert "by this gateway alone" in caplog.text


def test_a_rate_survives_a_clock_that_began_anew(tmp_path: Path):
    level = RateLevels(tmp_path).of("token")
    level.until = time.monotonic() + 1e6  # of before the machine was started again
    with pytest.raises(RateExceededError) as refused:
        Rate(10.0, level).take()
    assert refused.value.retry_after_seconds == pytest.approx(0.1)


def test_writers_of_one_spool_never_share_a_segment_and_adopt_only_the_dead(tmp_path: Path):
    one, two = SpoolWriter(tmp_path), SpoolWriter(tmp_path)
    for index, writer in enumerate([one, two]):
        writer.append(
            CaptureRecord(
                id=f"inf-{index}",
                at_ns=0,
                project="p",
                endpoint="e",
                variant="v",
                model="m",
                number=1,
                rows=1,
                latency_us=1,
                queue_us=1,
                principal="t",
                inputs=(),
                outputs=(),
            )
        )
        writer.flush()
    deadline = time.monotonic() + 10
    while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    third = SpoolWriter(tmp_path)  # a gateway that starts while the others write
    one.close()
    two.close()
    third.close()
    assert len(closed_segments(tmp_path)) == 2
    assert not list(tmp_path.glob("*.part"))
