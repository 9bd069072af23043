"""Load, deadlines, crashes and changes of the routing table: each request gets its own answer, or a reason."""

import json
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from modelyard.testing.scripted_model import body, client, infer, start_scripted, value_of
from modelyard.testing.serving import Serving, endpoint, token, variant


def calls(http: httpx.Client) -> float:
    """How often the model was called, this call included."""
    return float(infer(http, 0).json()["outputs"][0]["data"][1])


def eventually(condition: Callable[[], bool], seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_a_full_queue_refuses_and_says_when_to_come_back(start):
    serving = start(max_queue=4)
    serving.publish(endpoint("echo", variant(start_scripted(serving, "w"))))
    with client(serving) as http, ThreadPoolExecutor(20) as threads:
        slow = [threads.submit(infer, http, 1, 3.0) for _ in range(2)]
        time.sleep(0.5)
        answers = list(threads.map(lambda _: infer(http, 2), range(18)))
        refused = [answer for answer in answers if answer.status_code == 429]
        assert all(value_of(future.result()) == 1 for future in slow)
    # Four wait, one of the slow among them if the two did not go as one batch. A queue that is full goes ahead to the
    # replica as a batch, once, and makes place for four others, unless all came in one tick.
    assert 10 <= len(refused) <= 15
    assert {answer.json()["code"] for answer in refused} == {"overloaded"}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert all(value_of(answer) == 2 for answer in answers if answer not in refused)


def test_a_request_names_its_own_deadline_and_is_not_computed_after_it(start):
    serving = start(batches_in_flight=1)
    serving.publish(endpoint("echo", variant(start_scripted(serving, "w"))))
    hasty = {"parameters": {"timeout": 100_000}}  # microseconds
    with client(serving) as http, ThreadPoolExecutor(4) as threads:
        before = calls(http)
        slow = threads.submit(infer, http, 1, 0.6)
        time.sleep(0.2)
        started = time.monotonic()
        content = json.dumps(json.loads(body(2)) | hasty)
        late = http.post("/v2/models/echo/infer", content=content)
        assert (late.status_code, late.json()["code"]) == (504, "deadline_exceeded")
        assert time.monotonic() - started < 0.4
        assert value_of(slow.result()) == 1
        assert calls(http) == before + 2  # the slow one and this one; the late one never ran


def test_what_cannot_be_answered_in_time_is_refused_at_once(start):
    serving = start(batches_in_flight=1, max_batch_requests=1)
    serving.publish(endpoint("echo", variant(start_scripted(serving, "w"))))
    with client(serving) as http, ThreadPoolExecutor(12) as threads:
        for _ in range(3):
            infer(http, 0, 0.2)  # the model has never been faster than this
        waiting = [threads.submit(infer, http, 1, 0.2) for _ in range(10)]
        time.sleep(0.1)
        started = time.monotonic()
        hasty = json.loads(body(2)) | {"parameters": {"timeout": 500_000}}  # microseconds
        refused = http.post("/v2/models/echo/infer", content=json.dumps(hasty))
        assert time.monotonic() - started < 0.3
        assert (refused.status_code, refused.json()["code"]) == (429, "overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        assert all(value_of(future.result()) == 1 for future in waiting)


def test_a_token_that_floods_an_endpoint_does_not_starve_another(start):
    serving = start(batches_in_flight=1, max_batch_requests=1, max_queue=40)
    serving.publish(endpoint("echo", variant(start_scripted(serving, "w"))), tokens=[token("other", "my_other")])
    with client(serving) as http, ThreadPoolExecutor(60) as threads:
        flood = [threads.submit(infer, http, 1, 0.05) for _ in range(60)]
        time.sleep(0.3)
        started = time.monotonic()
        answer = http.post("/v2/models/echo/infer", content=body(7), headers={"Authorization": "Bearer my_other"})
        assert value_of(answer) == 7
        assert time.monotonic() - started < 1.0  # the flood needs two seconds
        codes = {future.result().status_code for future in flood}
    assert codes == {200, 429}


def test_a_token_with_a_rate_is_held_to_it_and_told_when_to_come_back(start):
    serving = start()
    tokens = [token("slow", "my_slow", requests_per_second=5.0)]
    serving.publish(endpoint("echo", variant(start_scripted(serving, "w"))), tokens=tokens)
    with client(serving) as http:
        http.headers["Authorization"] = "Bearer my_slow"
        answers = [infer(http, 1) for _ in range(8)]
        assert [answer.status_code for answer in answers[:5]] == [200] * 5
        assert answers[-1].status_code == 429
        assert answers[-1].json()["code"] == "rate_exceeded"
        assert int(answers[-1].headers["retry-after"]) == 1
        assert infer(http, 1).status_code == 429
        time.sleep(0.25)
        assert infer(http, 1).status_code == 200


def test_a_replica_that_hangs_is_dropped_and_the_request_fails_in_time(start):
    serving = start(deadline_seconds=0.5, hold_seconds=0.3)
    worker = start_scripted(serving, "w")
    serving.publish(endpoint("echo", variant(worker)))
    import signal

    with client(serving) as http:
        worker.process.send_signal(signal.SIGSTOP)
        assert infer(http, 1).status_code == 504
        worker.process.send_signal(signal.SIGCONT)
        assert eventually(lambda: infer(http, 2).status_code == 200)


def test_a_pure_request_survives_the_death_of_its_replica(start):
    serving = start()
    workers = [start_scripted(serving, name) for name in ("a", "b")]
    serving.publish(endpoint("echo", variant(*workers)))
    with client(serving) as http, ThreadPoolExecutor(8) as threads:
        futures = [threads.submit(infer, http, value, 0.3) for value in range(8)]
        time.sleep(0.15)
        workers[0].kill()
        assert sorted(value_of(future.result()) for future in futures) == list(range(8))


def test_a_request_that_kills_replicas_is_tried_twice_and_takes_no_other_down_with_it(start):
    serving = start(hold_seconds=5.0)
    workers = [start_scripted(serving, name) for name in ("a", "b", "c")]
    serving.publish(endpoint("echo", variant(*workers)))
    with client(serving) as http, ThreadPoolExecutor(30) as threads:
        slow = [threads.submit(infer, http, 100, 0.2) for _ in range(6)]  # all replicas busy: the rest forms one batch
        time.sleep(0.1)
        poison = threads.submit(infer, http, 666, 0, 2)
        others = [threads.submit(infer, http, value) for value in range(20)]
        answer = poison.result()
        assert (answer.status_code, answer.json()["code"]) == (503, "replica_failed")
        assert [value_of(future.result()) for future in others] == list(range(20))
        assert all(value_of(future.result()) == 100 for future in slow)
        # A process is gone a moment after its socket.
        assert eventually(lambda: sum(worker.process.poll() is not None for worker in workers) == 2)


def test_an_impure_request_is_not_tried_twice(start):
    serving = start()
    workers = [start_scripted(serving, name, "--impure") for name in ("a", "b")]
    serving.publish(endpoint("echo", variant(*workers)))
    with client(serving) as http:
        answer = infer(http, 1, act=2)
        assert (answer.status_code, answer.json()["code"]) == (503, "replica_failed")
        assert "not pure" in answer.json()["message"]
        assert value_of(infer(http, 2)) == 2
        assert sum(worker.process.poll() is None for worker in workers) == 1


def test_one_failing_request_of_a_batch_fails_alone(serving: Serving):
    with client(serving) as http, ThreadPoolExecutor(30) as threads:
        busy = [threads.submit(infer, http, 1, 0.2) for _ in range(2)]
        time.sleep(0.1)
        futures = {value: threads.submit(infer, http, value, 0, 1 if value % 5 == 0 else 0) for value in range(20)}
        statuses = {value: future.result().status_code for value, future in futures.items()}
        assert all(value_of(future.result()) == 1 for future in busy)
    assert statuses == {value: 500 if value % 5 == 0 else 200 for value in range(20)}
    assert all(value_of(futures[value].result()) == value for value in range(20) if value % 5)


def test_weights_share_the_traffic_and_a_weight_of_zero_gets_none(start):
    serving = start()
    workers = [start_scripted(serving, name) for name in ("a", "b", "c")]
    shares = [("a", 0.8), ("b", 0.2), ("c", 0.0)]
    serving.publish(
        endpoint("echo", *(variant(w, name=n, weight=s) for w, (n, s) in zip(workers, shares, strict=True)))
    )
    with client(serving) as http:
        seen = [infer(http, 1).headers["x-modelyard-variant"] for _ in range(500)]
        assert http.post("/v2/models/echo/versions/c/infer", content=body(1)).headers["x-modelyard-variant"] == "c"
    assert 50 < seen.count("b") < 160  # 100 expected, standard deviation 9
    assert seen.count("a") + seen.count("b") == 500


def test_a_variant_without_replicas_leaves_its_share_to_the_others(start):
    serving = start(hold_seconds=0.2)
    workers = [start_scripted(serving, name) for name in ("old", "new")]
    serving.publish(endpoint("echo", *(variant(worker, name=worker.name) for worker in workers)))
    with client(serving) as http:
        workers[1].kill()
        answers = [infer(http, value) for value in range(50)]
    assert [value_of(answer) for answer in answers] == list(range(50))
    assert {answer.headers["x-modelyard-variant"] for answer in answers} == {"old"}


@pytest.mark.slow
def test_a_version_replaces_another_without_a_failed_request(start):
    """Under load; each old worker is told to end right after its change, busy or not."""
    serving = start()
    current = start_scripted(serving, "v0")
    serving.publish(endpoint("echo", variant(current, number=100)))
    failures: list[str] = []
    wrong: list[str] = []
    served: set[str] = set()
    is_over = threading.Event()

    def load(seed: int) -> int:
        chance, count = random.Random(seed), 0
        with client(serving) as http:
            while not is_over.is_set():
                value = float(chance.randrange(1 << 20))
                answer = infer(http, value, chance.choice((0, 0, 0.002)))
                count += 1
                if answer.status_code != 200:
                    failures.append(answer.text)
                    continue
                number = int(answer.headers["x-modelyard-model"].partition(":")[2])
                served.add(answer.headers["x-modelyard-model"])
                if value_of(answer) != value + number - 100:
                    wrong.append(f"{value} -> {value_of(answer)} by version {number}")
        return count

    with ThreadPoolExecutor(8) as threads:
        counts = [threads.submit(load, seed) for seed in range(8)]
        try:
            for number in range(1, 6):
                following = start_scripted(serving, f"v{number}", "--offset", str(number))
                serving.publish(endpoint("echo", variant(following, name=f"v{number}", number=100 + number)))
                assert current.terminate() == 0
                current = following
        finally:
            is_over.set()
        total = sum(count.result() for count in counts)
    assert failures == []
    assert wrong == []
    assert len(served) == 6
    assert total > 100


@pytest.mark.slow
def test_answers_belong_to_their_requests_while_replicas_die_and_come_back(start):
    serving = start(hold_seconds=10.0)
    names = ["a", "b"]
    workers = {name: start_scripted(serving, name) for name in names}
    serving.publish(endpoint("echo", variant(*workers.values())))
    is_over = threading.Event()
    outcomes: dict[int, int] = {}
    wrong: list[float] = []

    def load(seed: int) -> None:
        chance = random.Random(seed)
        with client(serving) as http:
            while not is_over.is_set():
                value, rows = float(chance.randrange(1 << 20)), chance.choice((1, 1, 3, 40))
                content = body(value, chance.choice((0, 0, 0.003)), rows=rows)
                answer = http.post("/v2/models/echo/infer", content=content)
                outcomes[answer.status_code] = outcomes.get(answer.status_code, 0) + 1
                if answer.status_code == 200:
                    data = answer.json()["outputs"][0]["data"]
                    wrong.extend(got for got in data[::2] if got != value)
                    assert len(data) == 2 * rows

    with ThreadPoolExecutor(8) as threads:
        loads = [threads.submit(load, seed) for seed in range(8)]
        try:
            for turn in range(4):
                name = names[turn % 2]
                time.sleep(0.2)
                workers[name].kill()
                workers[name] = start_scripted(serving, name)
        finally:
            is_over.set()
        for each in loads:
            each.result()
    assert wrong == []
    assert outcomes.get(200, 0) > 100
    assert set(outcomes) <= {200, 503}
    assert outcomes.get(503, 0) <= 4  # a request that lost two replicas in a row


def test_requests_wait_for_a_replica_that_comes_back(start):
    serving = start(hold_seconds=20.0)
    worker = start_scripted(serving, "w")
    serving.publish(endpoint("echo", variant(worker)))
    with client(serving) as http, ThreadPoolExecutor(4) as threads:
        worker.kill()
        futures = [threads.submit(infer, http, value) for value in range(4)]
        time.sleep(0.2)
        start_scripted(serving, "w")
        assert [value_of(future.result()) for future in futures] == [0, 1, 2, 3]


@pytest.mark.parametrize("rows", [1, 300])
def test_a_request_larger_than_a_batch_is_served_whole(serving: Serving, rows: int):
    with client(serving) as http:
        data = http.post("/v2/models/echo/infer", content=body(5, rows=rows)).json()["outputs"][0]
    assert data["shape"] == [rows, 2]
    assert data["data"][::2] == [5] * rows
