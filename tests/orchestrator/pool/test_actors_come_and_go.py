"""Actors that start, join or leave, on machines that come and go."""

import pytest
from simulated_backend import SimulatedBackend
from simulated_pool import NUM_BLOCKS, check_steps, make_pool, ready_pool

from orchestrator.pool.backend import CallLostError, CallRaisedError, Machines
from workers.wire.errors import PoolError


def test_an_actor_that_dies_in_its_build_uses_up_the_budget_with_growing_pauses():
    messages: list[str] = []
    backend = SimulatedBackend(lambda actor: setattr(actor, "dies_in_build", True))
    pool = make_pool(backend, 1, max_failures=4, notify=messages.append)
    message = (
        r"5 actors were lost, workers\.max_failures = 4; the last, an actor on host4 .* died: "
    )
    with pytest.raises(PoolError, match=message):
        pool.wait_until_ready()
    assert len(backend.actors) == 5
    assert [line.partition("replaces it")[2] for line in messages] == [
        "",
        " in 1 s",
        " in 2 s",
        " in 4 s",
    ]


def test_an_exception_while_an_actor_is_built_ends_the_run_at_once():
    class Refusing(SimulatedBackend):
        def build(self, handle, examples):
            call = super().build(handle, examples)
            call.error = self.refusal
            return call

    backend = Refusing()
    backend.refusal = CallRaisedError(ValueError("no such file"))
    pool = make_pool(backend, 1)
    with pytest.raises(PoolError, match="could not be built: ValueError: no such file"):
        pool.wait_until_ready()
    assert len(backend.actors) == 1


def test_an_actor_that_is_not_ready_in_time_is_replaced():
    pool = make_pool(
        backend := SimulatedBackend(
            lambda actor: setattr(actor, "build_s", 500.0 / (actor.number + 1))
        ),
        1,
    )
    pool.wait_until_ready()
    assert len(backend.actors) == 2
    check_steps(pool, [0])


def test_a_run_goes_on_with_the_actors_for_which_there_is_room():
    messages: list[str] = []
    backend = SimulatedBackend(
        lambda actor: vars(actor).update(placeable=actor.number < 2, task_s=0.2)
    )
    pool = make_pool(backend, 3, notify=messages.append)
    pool.wait_until_ready()
    assert messages == [
        "before the first step: continuing with 2 of 3 actors: the others have no machine yet, or "
        "are slow to start; they join when they are ready"
    ]
    check_steps(pool, range(100))
    assert pool.incidents.replaced_actors == 0


def test_without_any_machine_the_run_ends_and_says_so():
    backend = SimulatedBackend(lambda actor: setattr(actor, "placeable", False))
    with pytest.raises(PoolError, match="no machine has had room for an actor for 300 s"):
        make_pool(backend, 2).wait_until_ready()


def test_a_machine_that_joins_is_used_if_the_pool_is_elastic():
    for elastic in (True, False):
        pool, backend, messages = ready_pool(2, elastic=elastic)
        backend.cluster = Machines(4, frozenset())
        check_steps(pool, range(300))
        assert len(backend.actors) == (4 if elastic else 2)
        assert all(actor.ran for actor in backend.actors)
        assert ("step" in "".join(messages)) == elastic


def test_a_range_begins_with_its_least_uses_what_comes_and_gives_all_back():
    def make(actor):
        actor.place_s = 1.0 if actor.number == 0 else 100.0 * actor.number
        actor.task_s = 0.2

    pool, backend, messages = ready_pool(4, make=make, least=1)
    assert pool.name == "1 to 4 Ray actors"
    assert backend.now() < 10, "it does not wait for the others"
    assert len(backend.actors) == 4, "which are there, for a cluster that grows on demand to see"
    check_steps(pool, range(250))
    assert pool.num_ready == 4
    assert all(actor.ran for actor in backend.actors)
    assert sum("has joined" in line for line in messages) == 3
    assert pool.incidents.replaced_actors == 0
    pool.close()
    assert not backend.alive()


def test_machines_that_must_be_started_may_take_long_and_the_user_is_told():
    messages: list[str] = []
    backend = SimulatedBackend(lambda actor: setattr(actor, "place_s", 1000.0))
    pool = make_pool(backend, 3, least=1, notify=messages.append)
    pool.wait_until_ready()
    assert messages == ["before the first step: no machine has room for an actor yet: waiting"]
    check_steps(pool, range(3))
    assert pool.incidents.replaced_actors == 0


@pytest.mark.parametrize("changes", [{"least": 1}, {"elastic": True}])
def test_where_machines_may_come_they_may_take_half_an_hour(changes):
    backend = SimulatedBackend(lambda actor: setattr(actor, "placeable", False))
    with pytest.raises(PoolError, match="no machine has had room for an actor for 1800 s"):
        make_pool(backend, 3, **changes).wait_until_ready()


def test_the_last_placed_actor_may_be_lost_long_after_another_found_no_machine():
    pool, backend, _ = ready_pool(
        2, least=1, make=lambda actor: vars(actor).update(placeable=actor.number != 1, task_s=50.0)
    )
    check_steps(pool, range(3))
    assert backend.now() > 1800, "longer than a machine may take"
    backend.actors[0].kill()
    check_steps(pool, [3])
    assert pool.incidents.replaced_actors == 1
    backend.actors[2].kill()
    backend._make = lambda actor: setattr(actor, "placeable", False)
    died = backend.now()
    with pytest.raises(PoolError, match="no machine has had room for an actor for 1800 s"):
        check_steps(pool, [4])
    assert backend.now() - died >= 1800


def test_there_are_no_more_actors_than_blocks():
    pool, backend, _ = ready_pool(2, elastic=True)
    backend.cluster = Machines(100, frozenset())
    check_steps(pool, range(300))
    assert len(backend.actors) == NUM_BLOCKS


def test_a_drained_machine_gets_no_new_block_and_costs_no_budget():
    pool, backend, messages = ready_pool(2, max_failures=0)
    check_steps(pool, [0])
    backend.cluster = Machines(2, frozenset({"node0"}))
    check_steps(pool, range(1, 100))
    assert len(backend.actors) == 3
    drained = backend.actors[0]
    assert drained.ended
    assert pool.incidents.replaced_actors == 0
    assert "host0 is being drained: an actor on host0 (pid 0) gets no more blocks" in messages[0]
    sent = len(drained.ran)
    check_steps(pool, range(100, 200))
    assert len(drained.ran) == sent


def test_an_actor_whose_machine_is_drained_gets_nothing_from_then_on():
    pool, backend, messages = ready_pool(3, make=lambda actor: setattr(actor, "task_s", 2.0))
    backend.cluster = Machines(3, frozenset({"node0"}))
    check_steps(pool, [0])
    assert "is being drained" in messages[0]
    assert len(backend.actors[0].ran) == 2, "what it had before the notice"
    assert len(backend.actors) == 4


def test_a_drained_machine_that_goes_with_its_blocks_costs_no_budget():
    pool, backend, _ = ready_pool(2, max_failures=0)
    backend.actors[0].stopped = True
    backend.cluster = Machines(2, frozenset({"node0"}))
    backend.at(backend.now() + 3.0, backend.actors[0].kill)
    check_steps(pool, range(1, 100))
    assert len(backend.actors) == 3


def test_a_preempted_actor_costs_no_budget():
    pool, backend, _ = ready_pool(2, max_failures=1)
    backend.at(backend.now() + 0.01, lambda: backend.actors[0].kill(preempted=True))
    check_steps(pool, range(3))
    assert pool.incidents.replaced_actors == 1
    backend.at(backend.now() + 0.01, backend.actors[1].kill)
    check_steps(pool, range(3, 6))
    assert pool.incidents.replaced_actors == 2


def test_if_every_machine_is_drained_at_once_actors_work_until_others_are_ready():
    pool, backend, messages = ready_pool(2, make=lambda actor: setattr(actor, "task_s", 0.2))
    backend._make = lambda actor: setattr(actor, "build_s", 60.0)
    backend.cluster = Machines(2, frozenset({"node0", "node1"}))
    began = backend.now()
    check_steps(pool, range(20))
    assert backend.now() - began < 50, "the run does not stand still while others build"
    check_steps(pool, range(20, 100))
    assert [actor.ended for actor in backend.actors] == [True, True, False, False]
    assert pool.incidents.replaced_actors == 0
    assert "gets no more blocks once another is ready" in messages[0]


def test_a_start_whose_calls_are_lost_is_asked_for_again():
    class Losing(SimulatedBackend):
        num_builds = 0

        def build(self, handle, examples):
            call = super().build(handle, examples)
            self.num_builds += 1
            if self.num_builds == 1:
                call.error = CallLostError("the call was lost")
            return call

    backend = Losing()
    pool = make_pool(backend, 1)
    pool.wait_until_ready()
    assert (backend.num_builds, len(backend.actors)) == (2, 1)
    check_steps(pool, [0])
