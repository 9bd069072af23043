import os
import queue
import threading

from modelyard.server.duties import Duties, Duty


def test_a_duty_that_raises_is_tried_again():
    rounds, twice = [], threading.Event()

    def run():
        rounds.append(1)
        if len(rounds) == 2:
            twice.set()
        raise RuntimeError("no luck")

    duty = Duty(name="unlucky", interval_seconds=0.01, run=run)
    duties = Duties([duty])
    duties.start()
    assert twice.wait(10)
    duties.stop()


def test_a_duty_that_is_woken_does_not_wait_out_its_pause():
    rounds = threading.Semaphore(0)
    duty = Duty(name="sleeper", interval_seconds=3600, run=rounds.release)
    duties = Duties([duty])
    duties.start()
    assert rounds.acquire(timeout=10)
    duty.awake.set()
    assert rounds.acquire(timeout=10)
    duties.stop()


def test_a_shared_duty_waits_for_its_turn_and_stands_by_until_then():
    is_ours, done, stood_by, own = threading.Event(), threading.Event(), threading.Event(), threading.Event()
    shared = Duty(name="shared", interval_seconds=0.01, run=done.set, is_shared=True, stand_by=stood_by.set)
    duties = Duties([shared, Duty(name="own", interval_seconds=0.01, run=own.set)], has_shared=is_ours.is_set)
    duties.start()
    assert stood_by.wait(10)
    assert own.wait(10)
    assert not done.is_set()
    is_ours.set()
    assert done.wait(10)
    duties.stop()


def test_a_duty_that_gives_way_yields_alone():
    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    seen: queue.SimpleQueue[int] = queue.SimpleQueue()

    def look() -> None:
        seen.put(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    duties = Duties([Duty(name="modest", interval_seconds=3600, run=look, gives_way=True)])
    duties.start()
    assert seen.get(timeout=10) == max(own, 5)
    duties.stop()
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == own
