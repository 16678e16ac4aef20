"""Actors that are late or stopped: their blocks run a second time, and copies are compared."""

from collections import deque
from dataclasses import replace

import pytest
from simulated_actor import WEIGHTS, blocks_of, corrupt
from simulated_backend import SimulatedBackend
from simulated_pool import NUM_BLOCKS, check_steps, make_pool, ready_pool, run

from orchestrator.pool.actor_pool import ActorPool
from workers.wire.errors import PoolError


def test_a_round_may_take_as_long_as_making_its_episodes_again():
    def slow(actor):
        actor.task_s = 1.0

    pool, backend, _ = ready_pool(2, slow)

    def run_round(step, name):
        blocks = [replace(block, round=name) for block in blocks_of(step, NUM_BLOCKS)]
        pool.run(WEIGHTS._replace(step=step), blocks)

    run_round(0, "first")
    for actor in backend.actors:
        actor.task_s = 0.01
    for _ in range(2):  # with a graph to compile, and without
        run_round(0, "fisher_vector")
    # Longer than any deadline of what rounds have taken so far.
    backend.actors[0].slow[0] = 5.0
    run_round(0, "fisher_vector")
    assert pool.incidents.copied_calls == 0
    backend.actors[0].slow[0] = 50.0
    run_round(0, "fisher_vector")
    assert pool.incidents.copied_calls > 0


def test_a_stopped_actor_is_not_used_again_before_it_is_replaced():
    pool, backend, messages = ready_pool(2)
    check_steps(pool, [0])
    backend.actors[0].stopped = True
    before = backend.now()
    check_steps(pool, [1])
    assert 2.0 <= backend.now() - before < 3.0, "the deadline, then the second copy"
    assert pool.incidents.copied_calls == 1
    assert set(backend.actors[0].ran[-1:]) == set(backend.actors[0].ran) & set(
        backend.actors[1].ran
    )
    assert len(backend.actors[1].ran) == len(set(backend.actors[1].ran)), (
        "nothing twice on one actor"
    )
    assert pool.incidents.replaced_actors == 0
    sent = len(backend.actors[0].ran)
    check_steps(pool, range(2, 400))
    assert len(backend.actors[0].ran) == sent
    assert backend.actors[0].ended
    assert pool.incidents.replaced_actors == 1
    assert "its blocks run a second time elsewhere" in messages[0]
    assert "has not answered for 4.0 s" in messages[1]


def test_a_slow_actor_that_answers_in_the_end_is_used_again_and_its_copies_are_compared():
    pool, backend, _ = ready_pool(2)
    check_steps(pool, [0])
    backend.actors[0].stopped = True
    check_steps(pool, [1])
    sent = len(backend.actors[0].ran)
    backend.at(backend.now() + 0.5, lambda: setattr(backend.actors[0], "stopped", False))
    check_steps(pool, range(2, 100))
    assert len(backend.actors[0].ran) > sent
    assert pool.incidents.replaced_actors == 0


def test_a_lone_actor_that_stops_is_replaced_after_a_few_longer_deadlines():
    pool, backend, messages = ready_pool(1)
    backend.actors[0].stopped = True
    check_steps(pool, [0])
    assert 32.0 <= backend.now() - 5.0 < 40.0
    assert pool.incidents.replaced_actors == 1
    assert "has not answered for 32.0 s" in messages[-2]


def test_a_block_is_late_from_when_it_is_begun_not_from_when_it_is_sent():
    pool, backend, _ = ready_pool(1, make=lambda actor: actor.slow.update({3: 1.5}))
    check_steps(pool, range(5))
    assert not any(vars(pool.incidents).values())
    assert len(backend.actors[0].ran) > 4


def test_what_a_late_actor_still_has_does_not_run_elsewhere_once_it_has_answered():
    pool, backend, _ = ready_pool(3, make=lambda actor: actor.slow.update({3: 5.0}))
    check_steps(pool, range(6))
    runs = [node for actor in backend.actors for node in actor.ran if node[0] == 3]
    assert len(runs) < 2 * NUM_BLOCKS


@pytest.mark.parametrize(("slow_s", "most"), [(5.0, 0), (50.0, 4)])
def test_blocks_that_are_slow_on_every_actor_do_not_use_up_the_budget(slow_s, most):
    pool, _, _ = ready_pool(3, make=lambda actor: actor.slow.update({3: slow_s}))
    check_steps(pool, range(6))
    assert pool.incidents.replaced_actors <= most
    assert pool.incidents.copied_calls > 0


@pytest.mark.parametrize(
    ("delay_s", "steps"),
    [(2.15, "used first"), (2.5, "a few steps later")],
    ids=lambda value: value,
)
def test_two_copies_that_differ_end_the_run_by_name(delay_s, steps):
    pool, backend, _ = ready_pool(3)
    check_steps(pool, [0])
    suspect = backend.actors[0]
    suspect.spoils = dict.fromkeys(range(NUM_BLOCKS), corrupt)
    suspect.stopped = True
    backend.at(backend.now() + delay_s, lambda: setattr(suspect, "stopped", False))
    message = r"^tasks \d+ to \d+ of step 1 came out differently on"
    with pytest.raises(PoolError, match=message):
        deque((run(pool, step) for step in range(1, 400)), maxlen=0)


def test_a_minute_of_building_or_compiling_is_no_miss():
    def slow_to_compile(actor):
        actor.compile_s = 60.0 if actor.number == 0 else 1.0

    backend = SimulatedBackend(lambda actor: setattr(actor, "build_s", 60.0))
    pool = make_pool(backend, 2)
    pool.wait_until_ready()
    check_steps(pool, range(3))
    assert not any(vars(pool.incidents).values())

    backend = SimulatedBackend(slow_to_compile)
    pool = ActorPool(backend, 2, max_failures=0, slow_after_s=2.0, start_limit_s=300.0)
    pool.wait_until_ready()
    check_steps(pool, range(1000))
    assert pool.incidents.replaced_actors == 0
    assert pool.incidents.copied_calls > 0, "the others need not wait for it"


def test_a_driver_that_stood_still_blames_nobody():
    class Sleepy(SimulatedBackend):
        def wait(self, calls, timeout_s):
            if self.sleeps and calls and timeout_s:
                self.sleeps, self._clock = False, self._clock + 100
                for actor in self.actors:
                    actor.busy_until += 100
                for call in calls:
                    call.due += 100
                return []
            return super().wait(calls, timeout_s)

    backend = Sleepy()
    backend.sleeps = False
    pool = make_pool(backend, 2)
    pool.wait_until_ready()
    backend.sleeps = True
    check_steps(pool, range(3))
    assert not backend.sleeps
    assert not any(vars(pool.incidents).values())
