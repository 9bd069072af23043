"""What processes use is written down exactly, whatever is repeated, and multiplied by the prices of its time."""

import sys
import time
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from modelyard.control.jobs.metering import KINDS, JobSubjects, ReservationMeter
from modelyard.control.metering.assembly import assemble
from modelyard.control.metering.engine import MeteredEngine
from modelyard.control.metering.errors import BudgetExhaustedError, PeriodInvalidError
from modelyard.control.metering.records import Subject
from modelyard.control.rest.pages import PageQuery
from modelyard.engines.base import Engine
from modelyard.engines.local.engine import LocalEngine
from modelyard.settings import Home
from modelyard.types.compute.costs import BudgetState, CostGroup, Prices
from modelyard.types.compute.scheduling import Reservation
from modelyard.types.processes import ProcessSpec, ProcessState, ProcessStatus, ProcessUsage

AT = datetime(2026, 5, 10, 12, tzinfo=UTC)
BURN = """
import json, resource, subprocess, sys, time
block = bytearray(200 << 20)
def burn(seconds):
    start = time.process_time()
    while time.process_time() - start < seconds: pass
burn(1.5)
subprocess.run([sys.executable, "-c", "import time\\nwhile time.process_time() < 1.0: pass"], check=True)
own, below = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps(own.ru_utime + own.ru_stime + below.ru_utime + below.ru_stime), flush=True)
"""


class FixedClock:
    """A moment that the test moves."""

    def __init__(self) -> None:
        self.moment = AT

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()


@pytest.fixture
def clock():
    return FixedClock()


class NoEngine:
    name = "none"
    has_nodes = False


def state(job="job-1", cpu=0.0, gib_seconds=0.0, **labels) -> ProcessState:
    return ProcessState(
        id=f"{job}-1",
        status=ProcessStatus.RUNNING,
        labels={"job": job, "project": "default", "model": "digits", **labels},
        started_at=AT,
        usage=ProcessUsage(cpu_seconds=cpu, memory_byte_seconds=int(gib_seconds * 2**30)),
    )


@pytest.fixture
def metering(database, clock):
    return assemble(database=database, engine=NoEngine(), clock=clock, subjects=JobSubjects(tuple), kinds=("job",))


def spent(metering, by=CostGroup.PROJECT, **days):
    days = {"since": None, "until": None, **days}
    return {each.name: each for each in metering.costs.costs(None, by, **days)}


def test_what_a_process_says_of_itself_and_what_is_metered_agree_within_two_per_cent(database, tmp_path, clock):
    home = Home(tmp_path / "home")
    home.create()
    metering = assemble(
        database=database, engine=LocalEngine(home), clock=clock, subjects=JobSubjects(tuple), kinds=("job",)
    )
    engine, work = metering.engine, tmp_path / "work"
    work.mkdir()
    labels = {"job": "job-1", "project": "default", "model": "digits"}
    engine.submit("job-1-1", ProcessSpec(command=(sys.executable, "-c", BURN), work_directory=str(work), labels=labels))
    deadline = time.monotonic() + 60
    while not spent(metering) and time.monotonic() < deadline:
        metering.look()
        time.sleep(0.2)
    assert engine.state("job-1-1").is_alive, "it is metered while it runs"
    ended = engine.wait("job-1-1", 60)
    said = msgspec.json.decode(ended.end.log_tail.strip())
    engine.remove("job-1-1")
    metered = spent(metering)["default"]
    assert metered.cpu_seconds == pytest.approx(said, rel=0.02)
    wall = (ended.end.ended_at - ended.started_at).total_seconds()
    gib_seconds = metered.memory_gib_seconds
    assert 0.5 * wall * 200 / 1024 < gib_seconds < 1.5 * wall * 300 / 1024


def test_a_killed_supervisor_leaves_what_was_measured_last(tmp_path):
    import os
    import signal

    home = Home(tmp_path / "home")
    home.create()
    engine, work = LocalEngine(home), tmp_path / "work"
    work.mkdir()
    code = "while True: pass"
    engine.submit("p", ProcessSpec(command=(sys.executable, "-c", code), work_directory=str(work)))
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        usage = engine.state("p").usage
        if usage is not None and usage.cpu_seconds > 0.5:
            break
        time.sleep(0.1)
    os.kill(engine._records.holder("p"), signal.SIGKILL)
    lost = engine.wait("p", 10)
    assert lost.end.cause == "LOST"
    assert lost.usage.cpu_seconds >= usage.cpu_seconds > 0.5
    engine.remove("p")


def test_repeated_and_late_readings_add_up_to_the_last_one(metering):
    for cpu in (1.0, 1.0, 4.0, 4.0, 10.0):
        metering.ledger.write(state(cpu=cpu, gib_seconds=cpu * 2))
    found = spent(metering)["default"]
    assert (found.cpu_seconds, found.memory_gib_seconds) == (pytest.approx(10.0), pytest.approx(20.0))


def test_what_was_used_stays_at_the_price_of_its_time(metering):
    hour = 3600.0
    metering.costs.set_prices(Prices(cpu_hour=1.0, memory_gib_hour=0.0), "ann")
    metering.ledger.write(state(cpu=2 * hour))
    metering.costs.set_prices(Prices(cpu_hour=10.0, memory_gib_hour=0.0, currency="USD"), "ann")
    metering.ledger.write(state(cpu=3 * hour))
    found = spent(metering)["default"]
    assert (found.cost, found.currency) == (pytest.approx(2 * 1.0 + 1 * 10.0), "USD")
    lists = metering.costs.price_lists(PageQuery()).items
    assert [each.prices.cpu_hour for each in lists] == [10.0, 1.0, Prices().cpu_hour]


def test_costs_are_added_up_by_project_job_version_and_day(metering, clock):
    metering.ledger.write(state("job-1", 10))
    metering.ledger.write(state("job-2", 20, project="other"))
    clock.moment += timedelta(days=1)
    metering.ledger.write(state("job-1", 15))
    assert {name: each.cpu_seconds for name, each in spent(metering).items()} == {"default": 15, "other": 20}
    assert {name: each.cpu_seconds for name, each in spent(metering, CostGroup.JOB).items()} == {
        "job-1": 15,
        "job-2": 20,
    }
    assert spent(metering, CostGroup.VERSION)["digits"].cpu_seconds == 35
    by_day = spent(metering, CostGroup.DAY)
    assert {name: each.cpu_seconds for name, each in by_day.items()} == {"2026-05-10": 30, "2026-05-11": 5}
    today = clock.moment.date()
    assert spent(metering, since=today, until=today)["default"].cpu_seconds == 5
    with pytest.raises(PeriodInvalidError):
        metering.costs.costs(None, CostGroup.JOB, today, today - timedelta(days=1))


def test_spot_costs_less_gpus_cost_by_the_second_and_energy_follows_the_stated_model(metering, clock):
    prices = Prices(cpu_hour=1.0, memory_gib_hour=0.0, gpu_hour=3.0, spot_factor=0.5, watts_per_core=10)
    metering.costs.set_prices(prices, "ann")
    clock.moment += timedelta(hours=1)
    metering.ledger.write(state("job-1", 3600, spot="yes", gpus="2"))
    found = spent(metering)["default"]
    assert found.gpu_seconds == pytest.approx(7200)
    assert found.cost == pytest.approx(0.5 * (1.0 + 2 * 3.0))
    assert found.energy_kwh == pytest.approx(3600 * 10 / 3.6e6)


def test_what_is_stored_costs_by_the_time_for_which_it_is_there_whoever_looks_however_often(database, clock):
    sizes = {("default", "digits"): 2 << 30, ("default", ""): 0, ("other", "digits"): 1 << 30}
    metering = assemble(
        database=database,
        engine=NoEngine(),
        clock=clock,
        subjects=JobSubjects(tuple),
        kinds=(),
        stored={"capture": lambda: sizes},
    )
    metering.costs.set_prices(Prices(storage_gib_month=7.3), "ann")
    restarted = assemble(
        database=database,
        engine=NoEngine(),
        clock=clock,
        subjects=JobSubjects(tuple),
        kinds=(),
        stored={"capture": lambda: sizes},
    )
    for meter, hours in ((metering, 0), (metering, 1), (metering, 0), (restarted, 0), (restarted, 2)):
        clock.moment += timedelta(hours=hours)
        meter.storage.look()
    found = spent(metering, CostGroup.PROJECT)
    assert found["default"].storage_gib_hours == pytest.approx(2 * 3)
    assert found["other"].storage_gib_hours == pytest.approx(3)
    assert found["default"].cost == pytest.approx(6 * 7.3 / 730)
    assert spent(metering, CostGroup.ENDPOINT)["digits"].storage_gib_hours == pytest.approx(9)
    sizes.clear()
    restarted.storage.look()
    clock.moment += timedelta(hours=5)
    restarted.storage.look()
    assert spent(metering)["other"].storage_gib_hours == pytest.approx(3), "what is gone costs nothing any more"


def test_reserved_capacity_costs_its_part_used_or_not_and_what_runs_on_it_nothing_more(database, clock):
    hour, window = timedelta(hours=1), {"starts_at": AT + timedelta(hours=1), "ends_at": AT + timedelta(hours=3)}
    made = {"memory_bytes": 0, "gpus": 1, "created_at": AT, "created_by": "ann", "host": "local", "project": "default"}
    reservations = [Reservation(id="reservation-1", cpus=4.0, **made, **window)]
    metering = assemble(
        database=database,
        engine=NoEngine(),
        clock=clock,
        subjects=JobSubjects(lambda: {each.id for each in reservations}),
        kinds=KINDS,
    )
    prices = Prices(cpu_hour=1.0, gpu_hour=10.0, memory_gib_hour=0.0, reserved_factor=0.5, watts_per_core=10)
    metering.costs.set_prices(prices, "ann")
    for _ in range(2):  # the second one is a process that was started again
        meter = ReservationMeter(
            lambda now: [each for each in reservations if each.starts_at <= now], metering.ledger, clock
        )
        meter.look()
        clock.moment += hour
        meter.look()
    meter.look()
    metering.ledger.write(state("job-1", 3600, reservation="reservation-1"))
    found = spent(metering, CostGroup.KIND)
    assert found["reservation"].cost == pytest.approx(0.5 * (4 * 1.0 + 1 * 10.0))
    assert (found["job"].cost, found["job"].cpu_seconds) == (0, 3600)
    whole = spent(metering)["default"]
    assert (whole.cpu_seconds, whole.energy_kwh) == (3600, pytest.approx(3600 * 10 / 3.6e6)), "nothing is used twice"
    clock.moment += 5 * hour
    meter.look()
    assert spent(metering, CostGroup.KIND)["reservation"].cost == pytest.approx(2 * 0.5 * 14)
    reservations.clear()
    metering.ledger.write(state("job-1", 5400, reservation="reservation-1"))
    assert spent(metering, CostGroup.JOB)["job-1"].cost == pytest.approx(0.5), "from its cancellation on it costs again"


def test_a_process_that_several_endpoints_share_is_divided_among_them(database, clock):
    shares = [("a", 0.75), ("b", 0.25)]
    subjects = [
        Subject(project="default", kind="endpoint", name=name, version=f"{name}:1", share=share)
        for name, share in shares
    ]
    metering = assemble(
        database=database, engine=NoEngine(), clock=clock, subjects=lambda _state: subjects, kinds=("endpoint",)
    )
    metering.ledger.write(state(cpu=8))
    shares[:] = []
    subjects[:] = subjects[1:2]
    subjects[0] = Subject(project="default", kind="endpoint", name="b", version="b:1")
    metering.ledger.write(state(cpu=10))
    found = spent(metering, CostGroup.ENDPOINT)
    assert {name: each.cpu_seconds for name, each in found.items()} == {"a": 6, "b": 4}
    assert sum(each.cpu_seconds for each in found.values()) == 10


def test_a_budget_alerts_and_then_stops(metering, clock):
    stopped = []
    metering.costs.set_prices(Prices(cpu_hour=3600.0, memory_gib_hour=0.0), "ann")
    metering.costs.set_budget("default", amount=100, alert_share=0.5, stops=True)
    metering.ledger.write(state(cpu=49))
    metering.costs.look(stopped.append)
    assert metering.costs.budget("default").state is BudgetState.OK
    metering.ledger.write(state(cpu=60))
    metering.costs.look(stopped.append)
    alert = metering.costs.budget("default")
    assert (alert.state, alert.spent, alert.alerted_at) == (BudgetState.ALERT, pytest.approx(60), clock.moment)
    metering.costs.check_budget("default")
    assert stopped == []
    metering.ledger.write(state(cpu=100))
    metering.costs.look(stopped.append)
    assert stopped == ["default"]
    with pytest.raises(BudgetExhaustedError, match=r"spent 100.00 of its 100.00"):
        metering.costs.check_budget("default")
    clock.moment = datetime(2026, 6, 1, tzinfo=UTC)
    metering.costs.check_budget("default")
    assert metering.costs.budget("default").state is BudgetState.OK


def test_a_metered_engine_passes_everything_on_that_an_engine_may_be_asked():
    asked = {name for name, member in vars(Engine).items() if callable(member) and not name.startswith("_")}
    assert asked <= vars(MeteredEngine).keys()


def test_prices_that_hold_already_are_no_new_list(metering):
    prices = Prices(cpu_hour=1.0)
    first, second = metering.costs.set_prices(prices, "ann"), metering.costs.set_prices(prices, "bob")
    assert (first, first.created_by) == (second, "ann")
