from types import SimpleNamespace

import pytest

from orchestrator.pool import watched_pool
from orchestrator.pool.base import Incidents
from orchestrator.pool.watched_pool import Watch, WatchedPool


class Pool:
    """Each block takes two seconds, and its contribution is its index."""

    name = "slow"

    def __init__(self, clock, num_ready=0):
        self.clock, self.num_ready, self.incidents, self.rounds = clock, num_ready, Incidents(), []

    def run(self, weights, blocks):
        self.rounds.append(len(blocks))
        self.clock.now += 2.0 * len(blocks)
        return [block.index for block in blocks]


@pytest.fixture
def clock(monkeypatch):
    fake_time = SimpleNamespace(now=0.0, monotonic=lambda: fake_time.now)
    monkeypatch.setattr(watched_pool, "time", fake_time)
    return fake_time


def blocks(number, kind="evaluate", size=4):
    return [
        SimpleNamespace(kind=kind, index=i, lo=i * size, hi=(i + 1) * size) for i in range(number)
    ]


def test_held_out_tasks_are_counted_with_the_time_that_is_left(clock):
    messages, pool = [], Pool(clock)
    watched = WatchedPool(pool, Watch("evaluating", messages.append, every_s=5.0))
    assert watched.run(None, blocks(10)) == list(range(10))
    assert messages == [
        "evaluating: 12 of 40 tasks, 14 s left",
        "evaluating: 24 of 40 tasks, 8 s left",
        "evaluating: 36 of 40 tasks, 2 s left",
    ]
    assert pool.rounds == [1] * 10


def test_actors_get_enough_blocks_at_a_time_and_the_same_come_back(clock):
    pool = Pool(clock, num_ready=2)
    watched = WatchedPool(pool, Watch())
    assert watched.run(None, blocks(40)) == list(range(40))
    assert pool.rounds == [16, 16, 8]
    assert (watched.name, watched.num_ready, watched.incidents) == ("slow", 2, Incidents())


def test_training_blocks_run_at_once_for_they_are_summed(clock):
    pool = Pool(clock)
    WatchedPool(pool, Watch()).run(None, blocks(10, "train"))
    assert pool.rounds == [10]


def test_a_short_wait_is_not_told_of(clock):
    messages = []
    WatchedPool(Pool(clock), Watch("validating", messages.append)).run(None, blocks(2))
    assert messages == []
