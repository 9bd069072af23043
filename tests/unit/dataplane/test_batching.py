"""Batch sizes follow the cost curve of the model; the queue is fair between tokens and never loses a request."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.dataplane.gateway.pools.batching import BatchSizer
from modelyard.dataplane.gateway.pools.queueing import FairQueue


def settled(cost_us: Any, max_rows: int = 256, objective_seconds: float | None = None) -> int:
    """The size that most batches have after a while under full load, on a model that takes cost_us(rows)."""
    sizer = BatchSizer(max_rows, objective_seconds)
    sizes: Counter[int] = Counter()
    for _ in range(3000):
        rows = sizer.rows()
        sizes[rows] += 1
        sizer.observe(rows, int(cost_us(rows)))
    return sizes.most_common(1)[0][0]


@pytest.mark.parametrize(
    ("cost_us", "expected"),
    [
        (lambda rows: 8 + 0.05 * rows, 256),  # a linear model: a row costs nothing beside the batch
        (lambda rows: 10 + 8 * rows, (32, 64)),  # a forest: after some tens of rows nothing is gained
        (lambda rows: 10 * rows if rows <= 8 else 20 * rows, (8,)),  # worse in large batches
        (lambda rows: 5000 * rows, (1,)),  # a heavy model: batches only make the first wait for the last
    ],
)
def test_a_batch_is_as_large_as_pays(cost_us: Any, expected: Any):
    assert settled(cost_us) in (expected if isinstance(expected, tuple) else (expected,))


@pytest.mark.parametrize(
    ("cost_us", "is_held"),
    [
        (lambda rows: 8 + 0.05 * rows, False),  # a linear model: what is saved is less than the replica would idle
        (lambda rows: 10 + 8 * rows, False),  # a compiled forest
        (lambda rows: 5000 * rows, False),  # a heavy model that gains nothing by batches
        (lambda rows: 10 * rows if rows <= 8 else 20 * rows, False),  # worse in large batches
        (lambda rows: 3200 + 10 * rows, True),  # scikit-learn: much once a batch, little a row
        (lambda rows: 1900 + 25 * rows, True),
    ],
)
def test_a_small_batch_waits_for_more_where_the_model_costs_much_once_a_batch(cost_us: Any, is_held: bool):
    sizer = BatchSizer(256)
    for rows in (1, 1, 5, 8, 16, 32):
        sizer.observe(rows, int(cost_us(rows)))
    assert sizer.is_better_held(4) is is_held
    assert not sizer.is_better_held(256)


def simulated_rows_per_second(cost_us: Any, clients: int) -> float:
    """One replica, and clients that ask again as soon as they are answered: how VariantPool uses a BatchSizer."""
    sizer, now, answered = BatchSizer(256), 0.0, 0
    for rows in (1, 2):
        sizer.observe(rows, int(cost_us(rows)))
    third = clients // 3
    at_work, waiting = [third, third], clients - 2 * third
    while now < 2e6:
        while waiting and len(at_work) < 2 and not (at_work and sizer.is_better_held(waiting)):
            rows = min(waiting, sizer.rows())
            at_work.append(rows)
            waiting -= rows
        is_ahead = len(at_work) > 1
        rows = at_work.pop(0)
        now += cost_us(rows) + (0 if is_ahead else 150)
        sizer.observe(rows, int(cost_us(rows)))
        if waiting and not (at_work and sizer.is_better_held(waiting)):  # before the clients have asked again
            sent = min(waiting, sizer.rows())
            at_work.append(sent)
            waiting -= sent
        answered += rows
        waiting += rows
    return answered / 2


@pytest.mark.parametrize("clients", [16, 64])
def test_clients_in_two_halves_are_served_faster_than_in_thirds(clients: int):
    def forest(rows: int) -> float:
        return 3200 + 10 * rows

    halves = clients / 2 / (forest(clients // 2) + 150) * 1e6
    assert simulated_rows_per_second(forest, clients) > 0.9 * halves


def test_an_objective_keeps_batches_short():
    def forest(rows: int) -> float:
        return 10 + 100 * rows

    free, bound = settled(forest), settled(forest, objective_seconds=0.001)
    assert forest(bound) <= 1000 / 3 < forest(free)


def test_a_neighbour_that_steals_time_does_not_spoil_the_curve():
    calls = 0

    def disturbed(rows: int) -> float:
        nonlocal calls
        calls += 1
        return (10 + 8 * rows) * (1 if calls % 3 else 20)

    assert settled(disturbed) in (32, 64)


def test_a_model_that_became_slower_is_believed_after_a_while():
    sizer = BatchSizer(256)
    for _ in range(500):
        sizer.observe(64, 64)
    before = sizer.row_floor_seconds
    for _ in range(500):
        sizer.observe(64, 6400)
    assert before == pytest.approx(1e-6)
    assert sizer.row_floor_seconds == pytest.approx(1e-4)


def test_one_slow_first_batch_is_no_reason_to_refuse_anybody():
    sizer = BatchSizer(256)
    sizer.observe(1, 500_000)
    assert sizer.row_floor_seconds == 0.0
    sizer.observe(1, 100)
    sizer.observe(1, 100)
    assert sizer.row_floor_seconds == pytest.approx(1e-4)


@given(st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 10**8)), max_size=200), st.integers(1, 300))
def test_whatever_is_measured_the_size_stays_in_its_bounds(measured: list[tuple[int, int]], max_rows: int):
    sizer = BatchSizer(max_rows, 0.01)
    for rows, service_us in measured:
        sizer.observe(rows, service_us)
        assert 1 <= sizer.rows() <= max_rows


def request(token_id: str, number: int, rows: int = 1) -> Any:
    return SimpleNamespace(token_id=token_id, number=number, call=SimpleNamespace(rows=rows), is_done=False)


def test_tokens_take_turns_and_each_is_served_in_its_order():
    queue = FairQueue()
    for number in range(4):
        queue.push(request("a", number))
    queue.push(request("b", 0))
    queue.push(request("b", 1))
    order = [(one.token_id, one.number) for one in (queue.pop() for _ in range(6))]
    assert order == [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 2), ("a", 3)]


def test_the_longest_line_makes_room_but_not_for_itself():
    queue = FairQueue()
    for number in range(3):
        queue.push(request("a", number))
    assert queue.make_room("a") is None
    assert queue.make_room("b").number == 2
    queue.push(request("b", 0))
    queue.push(request("b", 1))
    assert queue.make_room("b") is None  # two and two is fair
    assert len(queue) == 4


operations = st.lists(
    st.tuples(
        st.sampled_from(["push", "pop", "return", "room", "leave", "clear"]), st.sampled_from("abc"), st.integers(1, 9)
    ),
    max_size=60,
)


@given(operations)
def test_no_request_is_lost_or_served_twice(steps: list[tuple[str, str, int]]):
    queue, waiting, taken = FairQueue(), [], []
    for number, (step, token_id, rows) in enumerate(steps):
        if step == "push":
            waiting.append(request(token_id, number, rows))
            queue.push(waiting[-1])
        elif step == "pop" and waiting:
            first = queue.first()
            assert queue.pop() is first
            waiting.remove(first)
            taken.append(first)
        elif step == "return" and taken:
            back, taken = taken[-2:], taken[:-2]
            queue.push_back(back)
            assert queue.first() is back[0]
            waiting += back
        elif step == "room" and (loser := queue.make_room(token_id)) is not None:
            assert loser.token_id != token_id
            waiting.remove(loser)
        elif step == "leave" and waiting:
            waiting.pop(rows % len(waiting)).is_done = True
            queue.discard_done()
        elif step == "clear":
            assert sorted(map(id, queue.clear())) == sorted(map(id, waiting))
            waiting = []
        assert len(queue) == len(waiting)
        assert queue.rows == sum(one.call.rows for one in waiting)
        assert sorted(map(id, queue)) == sorted(map(id, waiting))
